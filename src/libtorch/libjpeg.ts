/** Installs libjpeg-turbo's headers and library, which the JPEG decoder is built with. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const COMMANDS = [
  ['apt-get', 'install', '-y', 'libjpeg-dev'],
  ['dnf', 'install', '-y', 'libjpeg-turbo-devel'],
  ['yum', 'install', '-y', 'libjpeg-turbo-devel'],
  ['zypper', 'install', '-y', 'libjpeg8-devel'],
  ['pacman', '-S', '--noconfirm', 'libjpeg-turbo'],
  ['apk', 'add', 'libjpeg-turbo-dev'],
] as const;

/** The command of this machine's package manager, for root; null where none is known. */
export function libjpegCommand(): readonly string[] | null {
  return COMMANDS.find(([manager]) => onPath(manager)) ?? null;
}

/** Remedy for a missing decoder, as a clause. `build`: the command that builds the addon. */
export function libjpegRemedy(build: string): string {
  const command = libjpegCommand();
  const install = command ? `\`${rootPrefix()}${command.join(' ')}\`` : "install libjpeg-turbo's development package";
  return `${install}, then \`${build}\``;
}

function rootPrefix(): string {
  return process.getuid?.() === 0 ? '' : 'sudo ';
}

function onPath(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
