/** Recipe files (--recipe): YAML, or JSON, and the options that they give. */
import { put } from './files.mjs';
import { dist, fuzz } from './loop.mjs';

const YAML =
  'arch: vgg\ndepth: 16\nepochs: 160\nlr: 0.1\nschedule: [80, 120]\nratios: [0.3, 0.5, 0.7]\nseed: 1\nswa: true\n';

await fuzz('recipe', () => {
  const { readRecipeFile } = dist('cli/recipe-file');
  const { entryNames } = dist('cli/options');
  const { parseRecipe } = dist('recipe/recipe');
  return {
    seeds: [Buffer.from(YAML), Buffer.from('{"arch": "resnet", "epochs": 3}'), Buffer.from('a: &x [1]\nb: *x\n')],
    tokens: [
      '!!js/function ',
      '!!binary ',
      '&a ',
      '*a',
      '<<: ',
      '? ',
      '- ',
      '|\n',
      '>\n',
      '%YAML 1.2\n---\n',
      '...\n',
      '\t',
      '__proto__: ',
      ': ',
    ],
    codes: ['ERR_RECIPE'],
    // Values are checked later, beside the flags, so that messages about them do not name the file.
    naming: false,
    parse: (bytes, file) => parseRecipe('search', readRecipeFile(put(file, bytes), entryNames('search')).entries),
  };
});
