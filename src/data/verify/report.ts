/** Images of one set, as {@link VerifyReport} counts them. */
interface SetReport {
  images: number;
  /** Number of images of every class, in the order of classNames. */
  perClass: number[];
}

/** Result of `data verify`. */
export interface VerifyReport {
  dataset: string;
  synthetic: boolean;
  /** Absolute path of the data; null for the synthetic set. */
  path: string | null;
  /** Checksum of an archive; null for other forms. */
  md5: string | null;
  official: boolean | null;
  classNames: string[];
  train: SetReport | null;
  test: SetReport | null;
  fingerprint: string | null;
  /** One sentence for each fault; empty where the data has none. */
  problems: string[];
  /** One sentence for each group of images that are not read although they may be sound. */
  notRead: string[];
  /** Sentences on the form of the data, classes without images, and files that are not images. */
  notes: string[];
}

/** Counts the labels of a set. */
export function setReport(labels: Int32Array, classes: number): SetReport {
  const perClass = new Array<number>(classes).fill(0);
  for (const label of labels) perClass[label]!++;
  return { images: labels.length, perClass };
}
