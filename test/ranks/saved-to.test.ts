/** The folder of the logs that `launch` keeps: that of the run, wherever it is named. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../cli/tiny';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const recipe = (name: string, text: string) => {
  writeFileSync(join(folder.path, name), text);
  return join(folder.path, name);
};

/** Answers of the compiled program, whose commands load modules as they need them. */
function savedTo(lines: string[][]): string[] {
  const launch = JSON.stringify(join(__dirname, '..', '..', 'dist', 'cli', 'commands', 'launch.js'));
  const program = `const { savedTo } = require(${launch});
    Promise.all(${JSON.stringify(lines)}.map(savedTo)).then((folders) => console.log(JSON.stringify(folders)));`;
  return JSON.parse(spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' }).stdout);
}

test('a flag, then the recipe file, then the preset, then the default', () => {
  const file = recipe('own.yaml', 'save: from/file\n');
  const ofPreset = recipe('preset.yaml', 'preset: demo\n');
  const answers: [string[], string][] = [
    [['train', '--preset', 'demo', '--recipe', file, '--save=a', '--save', 'b'], 'b'],
    [['train', '--preset', 'demo', '--recipe', file], 'from/file'],
    [['train', '--preset=demo'], './runs/demo'],
    [['train', '--recipe', ofPreset], './runs/demo'],
    [['train', '--preset', 'vgg16-cifar10'], './logs'],
    [['search'], './logs'],
  ];
  expect(savedTo(answers.map(([words]) => words))).toEqual(answers.map(([, folder]) => folder));
});
