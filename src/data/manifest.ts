/** What `data pack` says about the shards it made: manifest.json beside them. */
export const MANIFEST = 'manifest.json';

export interface ManifestShard {
  file: string;
  images: number;
  bytes: number;
  sha256: string;
}

export interface Manifest {
  format: 'earlybird shards 1';
  /** Changes with the list of images and with the options they were packed with. */
  key: string;
  /** How images were made: what was asked for. */
  options: { shortSide: number | null; maxSide: number | null; quality: number; shardSize: string };
  classes: string[];
  splits: Record<string, { images: number; bad: number; bytes: number; shards: ManifestShard[] }>;
}
