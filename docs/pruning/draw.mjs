// Draws the pictures of docs/pruning.md: node docs/pruning/draw.mjs
import { writeFileSync } from 'node:fs';

const CELL = 14;
const INK = '#2b2a28';
const KEPT = '#3b7ea8';
const GONE = '#d4552f';
const ZERO = '#b9b2a3';
const TAKEN = '#4d8a4a';

/** 'x.x' -> [true, false, true]: x is a channel that the mask keeps. */
const bits = (text) => [...text].map((mark) => mark === 'x');
const all = (count) => bits('x'.repeat(count));
const union = (...masks) => masks[0].map((_, c) => masks.some((mask) => mask[c]));

class Sheet {
  #parts = [];
  #random = 1;

  constructor(width, height, title) {
    Object.assign(this, { width, height });
    this.text(24, 34, title, { size: 18, weight: 'bold' });
  }

  /** A hand is never quite straight; the same hand every time. */
  #shake(amount = 1.1) {
    this.#random = (this.#random * 16807) % 2147483647;
    return (this.#random / 2147483647 - 0.5) * 2 * amount;
  }

  line(points, { color = INK, width = 1.6, dash, arrow } = {}) {
    const [first, ...rest] = points;
    let path = `M${first[0]} ${first[1]}`;
    let [px, py] = first;
    for (const [x, y] of rest) {
      const [mx, my] = [(px + x) / 2 + this.#shake(1.6), (py + y) / 2 + this.#shake(1.6)];
      path += ` Q${mx.toFixed(1)} ${my.toFixed(1)} ${x} ${y}`;
      [px, py] = [x, y];
    }
    const look = `fill="none" stroke="${color}" stroke-width="${width}" stroke-linecap="round" stroke-linejoin="round"`;
    this.#parts.push(`<path d="${path}" ${look}${dash ? ` stroke-dasharray="${dash}"` : ''}/>`);
    if (!arrow) return;
    const [[ax, ay], [bx, by]] = points.slice(-2);
    const angle = Math.atan2(by - ay, bx - ax);
    const tip = (turn) => [bx - 8 * Math.cos(angle + turn), by - 8 * Math.sin(angle + turn)];
    this.line([tip(0.45), [bx, by], tip(-0.45)], { color, width });
  }

  text(x, y, words, { size = 13, color = INK, anchor = 'start', weight = 'normal', mono = false } = {}) {
    const family = mono ? 'ui-monospace, Menlo, Consolas, monospace' : "'Comic Neue', 'Segoe UI', Helvetica, Arial, sans-serif";
    const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    this.#parts.push(
      `<text x="${x}" y="${y}" font-family="${family}" font-size="${size}" font-weight="${weight}" fill="${color}" text-anchor="${anchor}">${escaped}</text>`,
    );
  }

  lines(x, y, words, options = {}) {
    words.forEach((line, i) => {
      this.text(x, y + i * 17, line, options);
    });
  }

  #square(x, y, fill, edge) {
    this.#parts.push(
      `<rect x="${x + 1}" y="${y + 1}" width="${CELL - 2}" height="${CELL - 2}" rx="2" fill="${fill}" stroke="${edge}" stroke-width="1"/>`,
    );
  }

  cell(x, y, kind) {
    if (kind === 'kept') this.#square(x, y, KEPT, KEPT);
    else if (kind === 'taken') this.#square(x, y, TAKEN, TAKEN);
    else if (kind === 'zero') {
      this.#square(x, y, '#efebe1', ZERO);
      this.text(x + CELL / 2, y + 11, '0', { size: 10, color: '#6f6a5f', anchor: 'middle' });
    } else {
      this.#square(x, y, '#fdf0ea', '#e8b7a5');
      this.line([[x + 3, y + 3], [x + CELL - 3, y + CELL - 3]], { color: GONE, width: 1.2 });
    }
  }

  /** Channels of a layer, one below the other. `dropped`: what becomes of those the mask drops. */
  channels(x, y, kept, dropped = 'gone', standing = 'kept') {
    kept.forEach((is, c) => {
      this.cell(x, y + c * CELL, is ? standing : dropped);
    });
  }

  /** Channels side by side. */
  row(x, y, kept, dropped = 'gone', standing = 'kept') {
    kept.forEach((is, c) => {
      this.cell(x + c * CELL, y, is ? standing : dropped);
    });
  }

  /** A weight: rows are output channels, columns input channels. */
  weight(x, y, rows, columns) {
    rows.forEach((row, r) => {
      columns.forEach((column, c) => {
        this.cell(x + c * CELL, y + r * CELL, row && column ? 'kept' : 'gone');
      });
    });
    const [w, h] = [columns.length * CELL, rows.length * CELL];
    this.line([[x - 3, y - 3], [x + w + 3, y - 3], [x + w + 3, y + h + 3], [x - 3, y + h + 3], [x - 3, y - 3]]);
  }

  plus(x, y) {
    this.#parts.push(`<circle cx="${x}" cy="${y}" r="11" fill="#fffdf8" stroke="${INK}" stroke-width="1.6"/>`);
    this.line([[x - 6, y], [x + 6, y]]);
    this.line([[x, y - 6], [x, y + 6]]);
  }

  legend(y, kinds) {
    const words = {
      kept: 'stays',
      gone: 'cut out',
      zero: 'masked only: gamma = beta = 0, not cut out',
      taken: 'taken by the select',
    };
    let x = 24;
    for (const kind of kinds) {
      this.cell(x, y - 11, kind);
      this.text(x + 20, y, words[kind], { size: 12 });
      x += 40 + words[kind].length * 6.6;
    }
  }

  save(name) {
    const { width, height } = this;
    // Paper of its own, so that it reads the same on a light and on a dark page.
    const paper = `<rect x="1" y="1" width="${width - 2}" height="${height - 2}" rx="12" fill="#fffdf8" stroke="#d8d2c4"/>`;
    const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
    const body = [paper, ...this.#parts].join('\n');
    writeFileSync(new URL(`${name}.svg`, import.meta.url), `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${body}\n</svg>\n`);
  }
}

const name = (sheet, x, y, text) => sheet.text(x, y, text, { anchor: 'middle', weight: 'bold', size: 13 });
const small = { size: 12, anchor: 'middle' };
const cfg = { size: 12, anchor: 'middle', mono: true, color: '#7a3e9d' };

function vgg() {
  const sheet = new Sheet(940, 300, 'VGG: every BN layer is sliced, and takes its convolution with it');
  const [a, b] = [bits('x.xx.x'), bits('xx.x.x')];
  const top = 90;
  const middle = top + 42;
  sheet.lines(30, middle - 4, ['image or', 'layer before'], { size: 12 });
  sheet.line([[108, middle], [128, middle]], { arrow: true });
  sheet.weight(138, top, a, all(3));
  name(sheet, 159, top - 14, 'conv');
  sheet.line([[188, middle], [218, middle]], { arrow: true });
  sheet.channels(226, top, a);
  name(sheet, 233, top - 14, 'BN a');
  sheet.text(233, top + 124, 'sliced', small);
  sheet.text(233, top + 142, 'cfg[i] = 4', cfg);
  sheet.line([[246, middle], [296, middle]], { arrow: true });
  sheet.text(270, middle - 8, 'ReLU', small);
  sheet.weight(308, top, b, a);
  name(sheet, 350, top - 14, 'conv');
  sheet.line([[400, middle], [430, middle]], { arrow: true });
  sheet.channels(438, top, b);
  name(sheet, 445, top - 14, 'BN b');
  sheet.text(445, top + 124, 'sliced', small);
  sheet.text(445, top + 142, 'cfg[i+1] = 4', cfg);
  sheet.line([[458, middle], [548, middle]], { arrow: true });
  sheet.text(503, middle - 8, 'ReLU, pools', small);
  sheet.weight(560, top, all(5), b);
  name(sheet, 602, top - 14, 'classifier');
  sheet.line([[652, middle], [690, middle]], { arrow: true });
  sheet.text(698, middle + 4, 'classes');
  sheet.lines(159, top + 106, ['rows: mask of a'], small);
  sheet.lines(350, top + 106, ['rows: mask of b', 'columns: mask of a'], small);
  sheet.lines(602, top + 106, ['columns: last mask', 'bias: whole'], small);
  sheet.lines(770, top - 10, ['Exact by itself:', 'a masked channel is', '0 behind its ReLU,', 'so nobody misses it.', '', "'M' in cfg: a max-pool,", 'stays where it is.'], {
    size: 12,
  });
  sheet.legend(276, ['kept', 'gone']);
  sheet.save('vgg');
}

function preresnet() {
  const sheet = new Sheet(940, 400, 'PreResNet: the stream stays whole, selects read it, the inside of a block is sliced');
  const [one, two, three] = [bits('x.xx.x'), bits('xx.x'), bits('.xxx')];
  const top = 140;
  const middle = top + 42;
  sheet.channels(40, top, all(6));
  sheet.text(42, top + 104, 'stream', small);
  sheet.line([[60, middle], [96, middle]], { arrow: true });
  sheet.channels(104, top, one, 'zero');
  name(sheet, 111, top - 14, 'bn1');
  sheet.text(114, top + 104, 'masked only', small);
  sheet.line([[124, middle], [160, middle]], { arrow: true });
  sheet.channels(168, top, one, 'gone', 'taken');
  name(sheet, 175, top - 14, 'select');
  sheet.text(175, top + 124, 'its indexes = mask of bn1', small);
  sheet.text(175, top + 142, 'cfg[3b] = 4', cfg);
  sheet.line([[188, middle], [244, middle]], { arrow: true });
  sheet.text(215, middle - 8, 'ReLU', small);
  sheet.weight(256, top, two, one);
  name(sheet, 298, top - 14, 'conv1 1x1');
  sheet.lines(298, top + 76, ['columns: select', 'rows: bn2'], small);
  sheet.line([[348, top + 28], [378, top + 28]], { arrow: true });
  sheet.channels(386, top, two);
  name(sheet, 393, top - 14, 'bn2');
  sheet.text(393, top + 124, 'sliced', small);
  sheet.text(393, top + 142, 'cfg[3b+1] = 3', cfg);
  sheet.line([[406, top + 28], [446, top + 28]], { arrow: true });
  sheet.weight(458, top, three, two);
  name(sheet, 486, top - 14, 'conv2 3x3');
  sheet.lines(486, top + 76, ['columns: bn2', 'rows: bn3'], small);
  sheet.line([[522, top + 28], [556, top + 28]], { arrow: true });
  sheet.channels(564, top, three);
  name(sheet, 571, top - 14, 'bn3');
  sheet.text(571, top + 124, 'sliced', small);
  sheet.text(571, top + 142, 'cfg[3b+2] = 3', cfg);
  sheet.line([[584, top + 28], [624, top + 28]], { arrow: true });
  sheet.weight(636, top, all(6), three);
  name(sheet, 664, top - 14, 'conv3 1x1');
  sheet.lines(664, top + 104, ['columns: bn3', 'rows: whole'], small);
  sheet.line([[700, middle], [742, middle]], { arrow: true });
  sheet.plus(756, middle);
  sheet.line([[770, middle], [796, middle]], { arrow: true });
  sheet.channels(804, top, all(6));
  sheet.text(811, top + 104, 'stream', small);
  sheet.line([[47, top - 8], [47, 76], [756, 76], [756, middle - 14]], { arrow: true });
  sheet.text(400, 68, 'as it is, or through downsample.0 (first block of a stage; whole, no BN)', small);
  sheet.lines(24, 318, [
    'Behind the last block the same: bn (whole), select, ReLU, average, fc (columns: select). Last entry of cfg.',
    'Exact by itself: what a select leaves out is 0 behind bn1 and ReLU, and nobody else reads it. The stem conv1 stays whole.',
  ], { size: 13 });
  sheet.legend(376, ['kept', 'gone', 'zero', 'taken']);
  sheet.save('preresnet');
}

function resnet18() {
  const sheet = new Sheet(940, 520, 'ResNet-18 and -34: selects read the stream, only bn1 of a block is sliced');
  const [stem, first, inner] = [bits('x.xx..'), bits('xx..x.'), bits('x.xx')];
  const top = 140;
  const middle = top + 42;
  sheet.channels(40, top, all(6));
  sheet.text(47, top + 104, 'stream', small);
  sheet.line([[60, middle], [106, middle]], { arrow: true });
  sheet.channels(114, top, first, 'gone', 'taken');
  name(sheet, 121, top - 14, 'select');
  sheet.text(121, top + 104, 'see below', small);
  sheet.text(121, top + 124, 'cfg[2k] = 3', cfg);
  sheet.line([[134, middle], [180, middle]], { arrow: true });
  sheet.weight(192, top, inner, first);
  name(sheet, 234, top - 14, 'conv1 3x3');
  sheet.lines(234, top + 76, ['columns: select', 'rows: bn1'], small);
  sheet.line([[284, top + 28], [322, top + 28]], { arrow: true });
  sheet.channels(330, top, inner);
  name(sheet, 337, top - 14, 'bn1');
  sheet.text(337, top + 76, 'sliced', small);
  sheet.text(337, top + 124, 'cfg[2k+1] = 3', cfg);
  sheet.line([[350, top + 28], [410, top + 28]], { arrow: true });
  sheet.text(378, top + 20, 'ReLU', small);
  sheet.weight(422, top, all(6), inner);
  name(sheet, 450, top - 14, 'conv2 3x3');
  sheet.lines(450, top + 104, ['columns: bn1', 'rows: whole'], small);
  sheet.line([[486, middle], [536, middle]], { arrow: true });
  sheet.channels(544, top, bits('.xx.xx'), 'zero');
  name(sheet, 551, top - 14, 'bn2');
  sheet.lines(551, top + 104, ['masked only'], small);
  sheet.line([[564, middle], [624, middle]], { arrow: true });
  sheet.plus(638, middle);
  sheet.line([[652, middle], [706, middle]], { arrow: true });
  sheet.text(679, middle - 8, 'ReLU', small);
  sheet.channels(714, top, all(6));
  sheet.text(721, top + 104, 'stream', small);
  sheet.line([[47, top - 8], [47, 76], [638, 76], [638, middle - 14]], { arrow: true });
  sheet.text(340, 68, 'the whole input; first block of stages 2 to 4: downsample.0, downsample.1 (a BN, masked only)', small);
  sheet.lines(770, top + 8, ['Stem BN: masked only.', 'fc: whole.', 'Last bn2 selects', 'nothing (last cfg', 'entry is only told).'], { size: 12 });

  const y = 318;
  sheet.text(24, y, 'What the select of layer1.1 takes:', { weight: 'bold' });
  const mask = (line, words, kept, standing = 'kept', dropped = 'zero') => {
    sheet.text(40, y + 28 + line * 24, words);
    sheet.row(290, y + 17 + line * 24, kept, dropped, standing);
  };
  mask(0, 'mask of the stem bn1', stem);
  mask(1, 'mask of layer1.0.bn2', first);
  mask(2, 'reference: the last that was added', first, 'taken', 'gone');
  mask(3, 'exact: all that were added, together', union(stem, first), 'taken', 'gone');
  sheet.lines(420, y + 28, [
    'Both layers add to the same stream. Reference surgery drops channels',
    '3, 4 and 6, of which 3 and 4 are not 0: the stem filled them. That is',
    'the rule of the reference; the ticket is then another function.',
    'Exact surgery drops what every layer masks: channel 6.',
  ]);
  sheet.legend(496, ['kept', 'gone', 'zero', 'taken']);
  sheet.save('resnet18');
}

function resnet50() {
  const sheet = new Sheet(940, 560, 'ResNet-50: no selects; the stream of a stage is cut, the same channels in all its layers');
  const stream = bits('x.xx.x');
  const inner = bits('xx.x');
  const top = 150;
  const middle = top + 42;
  sheet.channels(40, top, bits('xx.x'));
  sheet.lines(56, top + 76, ['stream of the', 'stage before'], small);
  sheet.line([[60, top + 28], [116, top + 28]], { arrow: true });
  sheet.text(176, top + 20, 'conv1, bn1,', small);
  sheet.text(176, top + 38, 'conv2, bn2:', small);
  sheet.text(176, top + 56, 'both BN sliced', small);
  sheet.text(176, top + 104, 'cfg[3k+2], cfg[3k+3]', cfg);
  sheet.line([[232, top + 28], [270, top + 28]], { arrow: true });
  sheet.weight(282, top, stream, inner);
  name(sheet, 310, top - 14, 'conv3');
  sheet.lines(310, top + 104, ['rows: stream', 'columns: bn2'], small);
  sheet.line([[346, middle], [388, middle]], { arrow: true });
  sheet.channels(396, top, stream);
  name(sheet, 403, top - 14, 'bn3');
  sheet.line([[416, middle], [462, middle]], { arrow: true });
  sheet.plus(476, middle);
  sheet.line([[490, middle], [536, middle]], { arrow: true });
  sheet.text(512, middle - 8, 'ReLU', small);
  sheet.channels(544, top, stream);
  sheet.text(551, top + 104, 'stream', small);
  sheet.text(551, top + 122, 'cfg[3k+4] = 4', cfg);
  sheet.line([[47, top - 8], [47, 84], [150, 84]], { arrow: true });
  sheet.text(160, 88, 'first block of a stage: downsample.0 (rows: stream, columns: stage before), downsample.1 (sliced)', {
    size: 12,
  });
  sheet.line([[476, 96], [476, middle - 14]], { arrow: true });
  sheet.line([[566, middle], [606, middle]], { arrow: true });
  sheet.lines(616, top + 14, [
    'Further blocks of the stage add to it:',
    'conv3 rows and bn3 are cut to the same channels,',
    'conv1 columns too; so are the next stage’s first',
    'conv1 and downsample.0, and at the end fc.',
    'The stem (conv1, bn1) is a stream of its own: cfg[0].',
  ], { size: 12 });

  const y = 308;
  sheet.text(24, y, 'Which channels a stream keeps (layer1: three blocks):', { weight: 'bold' });
  const masks = { 'layer1.0.bn3': 'x..x.x', 'layer1.0.downsample.1': 'x.xx.x', 'layer1.1.bn3': '..xx..', 'layer1.2.bn3': 'xx...x' };
  Object.entries(masks).forEach(([key, text], line) => {
    sheet.text(40, y + 28 + line * 24, key, { mono: true, size: 12 });
    sheet.row(250, y + 17 + line * 24, bits(text), 'zero');
    sheet.text(350, y + 28 + line * 24, `keeps ${[...text].filter((mark) => mark === 'x').length}`, { size: 12 });
  });
  sheet.text(40, y + 140, 'reference', { weight: 'bold' });
  sheet.row(250, y + 129, stream, 'gone');
  sheet.text(40, y + 172, 'exact', { weight: 'bold' });
  sheet.row(250, y + 161, union(...Object.values(masks).map(bits)), 'gone');
  sheet.lines(430, y + 28, [
    'Reference. Width: the larger of what the first bn3 and the',
    'shortcut BN keep, here max(3, 4) = 4, as in the reference.',
    'Channels (the reference names none): the 4 with the largest',
    '|gamma| in any BN layer that adds to the stream.',
    '',
    'Exact. Every channel that any of them keeps: the union.',
    'A channel that all mask is 0 in the whole stage.',
  ]);
  sheet.text(430, y + 172, 'Masked channels that stay have gamma = beta = 0 in their own BN layer.', { size: 12 });
  sheet.legend(536, ['kept', 'gone', 'zero']);
  sheet.save('resnet50');
}

for (const draw of [vgg, preresnet, resnet18, resnet50]) draw();
