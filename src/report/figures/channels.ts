/** Draws the channels kept in each layer beside the number it had. */
import type { LayerChannels } from '../input';
import {
  bottomLegend,
  type Dataset,
  FAINT,
  frame,
  INK,
  type Layout,
  MARKER,
  ratioLabel,
  SERIES,
  type Spec,
  WIDE,
} from '../theme';

const HEIGHT = 110;
/** Pixels that the name of a layer needs; where there is less room, the axis shows numbers. */
const NAME_WIDTH = 13;
const PRUNED = 'pruned';
const KEPT = 'kept';
const CLAMPED = 'kept so that the layer stays';
const CLAMPED_MARK = {
  transform: [{ filter: 'datum.clamped > 0' }],
  mark: { type: 'point', shape: 'triangle-down', filled: true, size: 40, yOffset: -5, opacity: 1, color: MARKER },
};

export function keptChannels(channels: LayerChannels[], dataset: Dataset, layout: Layout = WIDE): Spec | null {
  const shown = channels.filter((ticket) => ticket.layers.length > 0);
  if (shown.length === 0) return null;
  const clamped = shown.some((ticket) => ticket.layers.some((layer) => layer.clamped > 0));
  return frame(dataset, {
    spacing: 12,
    vconcat: shown.map((ticket) => panel(ticket, clamped, layout)),
    resolve: { scale: { color: 'shared', shape: 'shared' } },
  });
}

function panel({ name, ratio, layers }: LayerChannels, clamped: boolean, layout: Layout): Spec {
  const values = layers.map((layer, i) => ({ ...layer, layer: i + 1, label: layerName(layer.key, i) }));
  const named =
    values.length * NAME_WIDTH <= layout.width && new Set(values.map((value) => value.label)).size === values.length;
  const x = {
    field: named ? 'label' : 'layer',
    type: 'ordinal',
    sort: null,
    scale: { paddingInner: values.length > 60 ? 0.1 : 0.25 },
    axis: named
      ? { labelAngle: -45, labelOverlap: false, title: null }
      : { labelAngle: 0, values: everyFew(values.length, layout.width / 30), ticks: true, title: 'layer' },
  };
  const legend = { ...bottomLegend(layout), symbolStrokeWidth: 0 };
  const scale = { domain: [KEPT, PRUNED], range: [SERIES[0], FAINT] };
  const color = (what: string) => ({ datum: what, scale, legend: { ...legend, symbolType: 'square' } });
  const shape = { datum: CLAMPED, scale: { range: ['triangle-down'] }, legend: { ...legend, symbolFillColor: MARKER } };
  const y = { type: 'quantitative', title: 'channels', stack: null, axis: { tickCount: 5 } };
  return {
    title: title(name, ratio, layers),
    width: layout.width + 20,
    height: HEIGHT,
    data: { values },
    layer: [
      { mark: 'bar', encoding: { x, y: { ...y, field: 'total' }, color: color(PRUNED) } },
      { mark: 'bar', encoding: { x, y: { ...y, field: 'kept' }, color: color(KEPT) } },
      ...(clamped ? [{ ...CLAMPED_MARK, encoding: { x, y: { ...y, field: 'kept' }, shape } }] : []),
    ],
  };
}

function title(name: string, ratio: number, layers: LayerChannels['layers']): Spec {
  const total = layers.reduce((sum, layer) => sum + layer.total, 0);
  const kept = layers.reduce((sum, layer) => sum + layer.kept, 0);
  const share = total > 0 ? ` (${((100 * kept) / total).toFixed(1)} %)` : '';
  return {
    // The name of a ticket of `train` already has its ratio.
    text: name.includes('p=') ? name : `${name}, ${ratioLabel(ratio)}`,
    subtitle: `${kept.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} channels kept${share}`,
    subtitleColor: INK,
    anchor: 'start',
  };
}

/** Name of a layer: in VGG the number of its convolution, as in the paper; elsewhere the module of its BatchNorm. */
export function layerName(key: string, index: number): string {
  return /^feature\.\d+(\.0)?\.weight$/.test(key) ? `conv${index + 1}` : key.replace(/\.weight$/, '');
}

function everyFew(count: number, most: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100].find((size) => count / size <= most) ?? 200;
  return Array.from({ length: count }, (_, i) => i + 1).filter((i) => i === 1 || i % step === 0);
}
