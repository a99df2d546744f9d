/** A folder of tiny pictures in class folders, as ImageNet is laid out. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import sharp from 'sharp';

export interface Tree {
  root: string;
  at(...names: string[]): string;
  place(file: string, bytes: Buffer | string): string;
  remove(): void;
}

export function makeTree(): Tree {
  const root = mkdtempSync(path.join(os.tmpdir(), 'eb-tree-'));
  const at = (...names: string[]) => path.join(root, ...names);
  const place = (file: string, bytes: Buffer | string) => {
    mkdirSync(path.dirname(at(file)), { recursive: true });
    writeFileSync(at(file), bytes);
    return at(file);
  };
  return { root, at, place, remove: () => rmSync(root, { recursive: true, force: true }) };
}

/** A picture with some structure, different for each number. */
export function picture(number: number, width = 24, height = 20): sharp.Sharp {
  const pixels = Buffer.alloc(width * height * 3, 0);
  for (let i = 0; i < pixels.length; i++) pixels[i] = ((i % 3) * 60 + number * 37 + Math.floor(i / width)) & 255;
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

export const jpeg = (number: number, width?: number, height?: number) =>
  picture(number, width, height).jpeg({ quality: 80 }).toBuffer();

/** `perClass` pictures of each class in train/, one in val/. */
export async function fillTree({ place }: Tree, classes: readonly string[], perClass: number): Promise<void> {
  for (const [label, name] of classes.entries()) {
    for (let i = 0; i < perClass; i++) place(`train/${name}/${name}_${i}.JPEG`, await jpeg(label * 10 + i));
    place(`val/${name}/ILSVRC2012_val_${label}.JPEG`, await jpeg(label * 10 + 9));
  }
}
