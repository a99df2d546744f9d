export interface SetReport {
  images: number;
  /** Images of every class, in the order of classNames. */
  perClass: number[];
}

export interface VerifyReport {
  dataset: string;
  synthetic: boolean;
  /** Where it lies; null for the synthetic set. */
  path: string | null;
  /** Of an archive: its checksum, and whether that is the official one. */
  md5: string | null;
  official: boolean | null;
  classNames: string[];
  train: SetReport | null;
  test: SetReport | null;
  fingerprint: string | null;
  /** One sentence for everything that is wrong; empty for a dataset in order. */
  problems: string[];
}
