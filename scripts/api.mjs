#!/usr/bin/env node
// Writes docs/api.md from the docblocks of what src/index.ts and src/bench/index.ts export; fails where an export has none.
// With --check it writes nothing, and fails where the page differs from the sources.
//   npm run api [-- --check]
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Application, Comment, CommentTag, Converter, ReflectionKind, UnknownType } from 'typedoc';
import { reportFailure, root, StepError } from './build.mjs';

/** The modules that the page describes, in this order; typedoc writes a file of this name for each. */
const MODULES = { index: 'src/index.ts', bench: 'src/bench/index.ts' };

/** The group of an export, by the room that declares it. */
const GROUPS = [
  ['Run', /^src\/(train|recipe|run|ticket|engine|cost|study|energy)\//],
  ['Prune', /^src\/(prune|network)\//],
  ['Figures', /^src\/report\//],
  ['Data', /^src\/data\//],
  ['Checkpoints', /^src\/(checkpoint\/|tensor)/],
  ['Engine', /^src\/(native\/|errors)/],
  ['Benchmarks', /^src\/bench\//],
];

const HEAD = `<!-- Made by \`npm run api\` from the sources; do not edit. -->
# API

Everything that \`import { ... } from 'earlybird-tickets'\`, or \`require\`, gives; and, at the end, \`earlybird-tickets/bench\`. A recipe has the options of
the command of that name, in camelCase: \`earlybird search --help\` lists them with their defaults. Ratios are from 0 to 1, accuracies
are in percent, times in seconds, energy in joules. What fails throws \`EarlybirdError\` with a stable \`code\`.
`;

const fileOf = (reflection) => reflection.project.getSymbolIdFromReflection(reflection)?.packagePath ?? '';

function sortIntoGroups({ project }) {
  for (const reflection of project.getReflectionsByKind(ReflectionKind.SomeExport)) {
    const group = GROUPS.find(([, files]) => files.test(fileOf(reflection)))?.[0];
    if (!group || reflection.parent?.kindOf(ReflectionKind.ClassOrInterface)) continue;
    for (const target of reflection.signatures ?? [reflection]) {
      target.comment ??= new Comment();
      target.comment.blockTags.push(new CommentTag('@group', [{ kind: 'text', text: group }]));
    }
  }
}

/** A parameter with many fields shows its type as the source names it: a recipe would else be written out with all its options. */
function nameLargeTypes(_context, signature, node) {
  for (const [index, parameter] of (signature.parameters ?? []).entries()) {
    const written = node?.parameters?.[index]?.type?.getText().replace(/\s+/g, ' ');
    if (written && (parameter.type?.declaration?.children?.length ?? 0) > 8) parameter.type = new UnknownType(written);
  }
}

const hasText = (reflection) => (reflection.comment?.summary.length ?? 0) > 0;

function undocumented(project) {
  const isDocumented = (reflection) => hasText(reflection) || reflection.signatures?.some(hasText);
  return project
    .getReflectionsByKind(ReflectionKind.SomeExport)
    .filter((reflection) => reflection.parent?.kindOf(ReflectionKind.SomeModule) && !isDocumented(reflection))
    .filter((reflection) => !reflection.kindOf(ReflectionKind.Module))
    .map((reflection) => `${reflection.name} (${fileOf(reflection)})`);
}

async function render() {
  const out = mkdtempSync(join(tmpdir(), 'earlybird-api-'));
  const app = await Application.bootstrapWithPlugins({
    entryPoints: Object.values(MODULES).map((file) => join(root, file)),
    tsconfig: join(root, 'tsconfig.json'),
    plugin: ['typedoc-plugin-markdown'],
    outputs: [{ name: 'markdown', path: out }],
    outputFileStrategy: 'modules',
    readme: 'none',
    disableSources: true,
    excludeExternals: true,
    excludePrivate: true,
    logLevel: 'Error',
    groupOrder: GROUPS.map(([name]) => name),
    hidePageHeader: true,
    hideBreadcrumbs: true,
    hidePageTitle: true,
    useCodeBlocks: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    classPropertiesFormat: 'table',
    typeDeclarationFormat: 'table',
    typeDeclarationVisibility: 'compact',
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, sortIntoGroups, 100);
  app.converter.on(Converter.EVENT_CREATE_SIGNATURE, nameLargeTypes);
  const project = await app.convert();
  if (!project) throw new StepError('the sources cannot be read', 'run `npm run lint`');
  const missing = undocumented(project);
  await app.generateOutputs(project);
  const pages = Object.keys(MODULES).map((name) => readFileSync(join(out, `${name}.md`), 'utf8'));
  const text = pages.map((page) => page.replaceAll(/\(\w+\.md#/g, '(#'));
  rmSync(out, { recursive: true });
  return { text: [HEAD, ...text].join('\n'), missing };
}

async function main() {
  const page = join(root, 'docs/api.md');
  const { text, missing } = await render();
  if (missing.length > 0) {
    throw new StepError(`no docblock: ${missing.join(', ')}`, 'say what it is: shape, unit, errors, source');
  }
  if (!process.argv.includes('--check')) return writeFileSync(page, text);
  if (!existsSync(page) || readFileSync(page, 'utf8') !== text) {
    throw new StepError('docs/api.md is not what the sources say', 'run `npm run api` and commit the page');
  }
}

await reportFailure('api', main);
