/** The user's configuration file, which names a LibTorch. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomic } from '../atomic';
import { EarlybirdError } from '../errors';

interface Config {
  /** Folder of a LibTorch, as in LIBTORCH. */
  libtorch?: string;
}

/**
 * Path of the configuration file: `EARLYBIRD_CONFIG`, else earlybird/config.json in the user's configuration folder.
 */
export function configPath(): string {
  const folder = process.env.XDG_CONFIG_HOME || join(homedir(), '.config');
  return process.env.EARLYBIRD_CONFIG || join(folder, 'earlybird', 'config.json');
}

export function readConfig(): Config {
  const path = configPath();
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return {};
  }
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config !== 'object' || config === null || Array.isArray(config)) throw new Error('not an object');
    const { libtorch } = config as Record<string, unknown>;
    if (libtorch !== undefined && typeof libtorch !== 'string') throw new Error('"libtorch" is not a string');
    return { libtorch };
  } catch (error) {
    throw new EarlybirdError(
      'ERR_FILE',
      `${path} is not a valid configuration: correct it or delete it.`,
      String(error),
    );
  }
}

export async function writeConfig(config: Config): Promise<void> {
  await writeFileAtomic(configPath(), `${JSON.stringify(config, null, 2)}\n`, { makeFolder: true });
}
