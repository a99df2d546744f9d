/** Kinds of files in a data set, by their names alone. */

/** Matches names that torchvision's ImageFolder takes. */
const IMAGE = /\.(jpe?g|png|ppm|bmp|pgm|tiff?|webp)$/i;
/** Matches names of pictures that it does not take. */
const OTHER_PICTURE = /\.(gif|jpe|jfif|jp2|j2k|jxl|avif|hei[cf]|pbm|pnm|tga|svg|psd|ico)$/i;
/** Matches names that file managers and archivers leave behind: AppleDouble files and other hidden ones, thumbnails. */
const LITTER = /^(\..*|__MACOSX|Thumbs\.db|desktop\.ini)$/i;

/** A picture that is not read, with the reason. */
export interface Unread {
  /** Path in the data set. */
  file: string;
  reason: string;
}

/** True for the name of an image that is read. */
export const isImageName = (name: string): boolean => IMAGE.test(name);

/** True for the name of a JPEG, the only kind that is decoded during training. */
export const isJpegName = (name: string): boolean => /\.jpe?g$/i.test(name);

/** True for the name of a picture of a kind that is not read. */
export const isOtherPicture = (name: string): boolean => OTHER_PICTURE.test(name);

/** True where a part of the path was left behind by file managers or archivers; `.` and `..` are not. */
export const isLitter = (path: string): boolean =>
  path.split('/').some((part) => part !== '.' && part !== '..' && LITTER.test(part));

/** Extension of a name: ".gif", or "no extension". */
export function kindOf(name: string): string {
  return /[^/](\.[^./]+)$/.exec(name.replace(/^.*\.tar:/i, ''))?.[1]?.toLowerCase() ?? 'no extension';
}

/** Number of files of each kind: "3 .gif, 1 .pdf". */
export function countKinds(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(kindOf(name), (counts.get(kindOf(name)) ?? 0) + 1);
  return [...counts]
    .map(([kind, count]) => `${count} ${kind === 'no extension' ? 'with no extension' : kind}`)
    .join(', ');
}

/** The first names, with dots where there are more. */
export function someOf(names: readonly string[], most = 3): string {
  return `${names.slice(0, most).join('; ')}${names.length > most ? '; ...' : ''}`;
}

/** First bytes of archives and compressed files that are not read. gzip is read where tar is. */
const ARCHIVES: readonly [kind: string, start: string][] = [
  ['.xz', 'fd377a585a00'],
  ['.zip', '504b0304'],
  ['.zip', '504b0506'],
  ['.7z', '377abcaf271c'],
  ['.rar', '526172211a07'],
  ['.bz2', '425a68'],
  ['.zst', '28b52ffd'],
  ['.lz4', '04224d18'],
  ['.lz', '4c5a4950'],
  ['.lzma', '5d0000'],
  ['.Z', '1f9d'],
  ['.gz', '1f8b'],
];

/** The kind of an archive that is not a plain tar, such as ".xz", by its first bytes. */
export function archiveKind(start: Uint8Array): string | null {
  const hex = Buffer.from(start.subarray(0, 8)).toString('hex');
  return ARCHIVES.find(([, magic]) => hex.startsWith(magic))?.[0] ?? null;
}

/** Kind of an archive with its article, by the sound of the name: "an .xz archive", "a .zip archive". */
export function archiveTitle(kind: string): string {
  return `${/^\.[xrl]/.test(kind) ? 'an' : 'a'} ${kind} archive`;
}
