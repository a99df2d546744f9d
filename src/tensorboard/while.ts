/** Event files that grow with a run (--tensorboard). */
import type { EpochMetrics } from '../run/metrics';
import type { RunOptions } from '../run/observer';
import { EventFiles } from './event-files';

/** Does `work`, whose runs are in `save`. A file that cannot be written is logged once and does not stop training. */
export async function withTensorboard<R>(
  { save, tensorboard }: { save: string; tensorboard: boolean },
  options: RunOptions,
  work: (options: RunOptions) => Promise<R>,
): Promise<R> {
  if (!tensorboard) return work(options);
  const files = new EventFiles([save]);
  const { observer } = options;
  let failed = false;
  let writing = Promise.resolve();
  const update = () => {
    writing = writing
      .then(async () => void (await files.update()))
      .catch((error: Error) => {
        if (!failed) observer?.log?.(`warning: the event files are not written: ${error.message}`);
        failed = true;
      });
    return writing;
  };
  const metrics = (line: EpochMetrics) => {
    observer?.metrics?.(line);
    void update();
  };
  try {
    return await work({ ...options, observer: { ...observer, metrics } });
  } finally {
    await update();
  }
}
