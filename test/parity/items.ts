import * as bfp from './bfp';
import * as checkpoints from './checkpoints';
import * as detector from './detector';
import * as filters from './filters';
import * as flops from './flops';
import * as forward from './forward';
import * as generator from './generator';
import * as layouts from './layouts';
import type { Case } from './lib/case';
import type { Context } from './lib/networks';
import * as masks from './masks';
import * as mx from './mx';
import * as optimlp from './optimlp';
import * as overlap from './overlap';
import * as prune from './prune';
import * as pruneEdge from './prune-edge';
import * as pruneResnet50 from './prune-resnet50';
import * as swa from './swa';
import * as train from './train';

export interface Item {
  name: string;
  /** File or folder that the item reads; without it the item is skipped. */
  needs: string;
  cases(context: Context): Iterable<Case>;
}

const item = (name: string, needs: string, { cases }: Pick<Item, 'cases'>): Item => ({ name, needs, cases });

/** Every item of the reference, in the order in which one rests on another. */
const REFERENCE: readonly Item[] = [
  item('generator', 'generator.json', generator),
  item('layouts', 'layouts.json', layouts),
  item('flops', 'flops.json', flops),
  item('forward', 'forward.json', forward),
  item('masks', 'masks.json', masks),
  item('detector', 'detector.json', detector),
  item('prune', 'prune', prune),
  item('prune_edge', 'prune_edge.json', pruneEdge),
  item('prune_resnet50', 'prune_resnet50.json', pruneResnet50),
  item('train', 'train.json', train),
  item('checkpoints', 'checkpoints.json', checkpoints),
  item('overlap', 'overlap.json', overlap),
  item('filters', 'filters.json', filters),
  item('bfp', 'bfp.json', bfp),
  item('optimlp', 'optimlp.json', optimlp),
  item('swa', 'swa.json', swa),
];

const MX_FORMATS = ['mxint8', 'mxfp8-e4m3', 'mxfp8-e5m2', 'mxfp6-e2m3', 'mxfp6-e3m2', 'mxfp4'];

/** Golden data of number formats. */
const MX: readonly Item[] = [
  ...MX_FORMATS.map((format) => item(`mx ${format}`, `${format}.json`, mx.blocks(`${format}.json`))),
  item('mx nvfp4', 'nvfp4.json', mx.tensors),
  item('mx conv', 'conv.json', mx.convolutions),
  item('mx stochastic', 'stochastic.json', mx.stochastic),
];

/** The items of the kinds of golden data of which `dir` has a file, or those of the reference. */
export function itemsOf(has: (file: string) => boolean): readonly Item[] {
  const kinds = [REFERENCE, MX].filter((items) => items.some(({ needs }) => has(needs)));
  return kinds.length > 0 ? kinds.flat() : REFERENCE;
}
