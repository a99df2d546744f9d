// Writes networks/*.json: the networks that come as data (docs/add-a-network.md). Keys are those of the PyTorch definitions
// that each names. `node scripts/networks.mjs --check` only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..', 'networks');

/** A list of layers; each call returns the name, for layers that read another one than that before them. */
function list(name, entries) {
  const layers = [];
  const add =
    (kind) =>
    (key, more = {}) => {
      layers.push({ name: key, kind, ...more });
      return key;
    };
  const conv = (key, out, kernel, more = {}) => add('conv')(key, { out, kernel, ...pads(kernel), ...more });
  return {
    conv,
    depthwise: (key, kernel, more) => add('conv')(key, { depthwise: true, kernel, ...pads(kernel), ...more }),
    bn: add('batchnorm'),
    relu: add('relu'),
    select: add('select'),
    maxpool: add('maxpool'),
    avgpool: add('avgpool'),
    linear: (key, out = 'classes', more) => add('linear')(key, { out, ...more }),
    join: (kind, key, inputs) => add(kind)(key, { inputs }),
    done: () => ({ name, ...entries, layers }),
  };
}

const pads = (kernel) => (kernel > 1 ? { padding: (kernel - 1) / 2 } : {});
const strides = (stride) => (stride > 1 ? { stride } : {});

/** The reference's VGG (docs/reference.md#4.1). */
function vgg16() {
  const net = list('VGG-16', { imageSize: 32, gamma: 0.5, linearDeviation: 0.01 });
  let at = 0;
  for (const width of [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512]) {
    if (width === 0) net.maxpool(`feature.${at++}`, { kernel: 2, stride: 2 });
    else {
      net.conv(`feature.${at++}`, width, 3);
      net.bn(`feature.${at++}`);
      net.relu(`feature.${at++}`);
    }
  }
  net.avgpool('avgpool', { kernel: 2, functional: true });
  net.linear('classifier');
  return net.done();
}

/** The reference's ResNet-18: torchvision's with channel selections. */
function resnet18() {
  const net = list('ResNet-18', { imageSize: 224 });
  net.conv('conv1', 64, 7, { stride: 2 });
  net.bn('bn1');
  net.select('select');
  net.relu('relu');
  let stream = net.maxpool('maxpool', { kernel: 3, stride: 2, padding: 1 });
  let width = 64;
  [64, 128, 256, 512].forEach((planes, stage) => {
    for (let block = 0; block < 2; block++) {
      const key = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      net.select(`${key}.select`, { inputs: [stream] });
      net.conv(`${key}.conv1`, planes, 3, strides(stride));
      net.bn(`${key}.bn1`);
      net.relu(`${key}.relu1`);
      net.conv(`${key}.conv2`, planes, 3);
      const inner = net.bn(`${key}.bn2`);
      let shortcut = stream;
      if (planes !== width) {
        net.conv(`${key}.downsample.0`, planes, 1, { ...strides(stride), inputs: [stream] });
        shortcut = net.bn(`${key}.downsample.1`);
      }
      net.join('add', `${key}.add`, [inner, shortcut]);
      stream = net.relu(`${key}.relu`);
      width = planes;
    }
  });
  net.avgpool('avgpool');
  net.linear('fc');
  return net.done();
}

/**
 * AlexNet (Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014) as it is used on 32x32 images: one
 * linear layer, strides for small images, and BatchNorm behind each convolution.
 */
function alexnetBn() {
  const net = list('AlexNet-BN', { imageSize: 32, gamma: 0.5, linearDeviation: 0.01 });
  let at = 0;
  const block = (out, kernel, more) => {
    net.conv(`features.${at++}`, out, kernel, more);
    net.bn(`features.${at++}`);
    net.relu(`features.${at++}`);
  };
  const pool = () => net.maxpool(`features.${at++}`, { kernel: 2, stride: 2 });
  block(64, 11, { stride: 4, padding: 5 });
  pool();
  block(192, 5);
  pool();
  block(384, 3);
  block(256, 3);
  block(256, 3);
  pool();
  net.linear('classifier');
  return net.done();
}

/** WideResNet-28-k (Zagoruyko and Komodakis, BMVC 2016, table 1, without dropout), with channel selections. */
function wideResnet28(k) {
  const net = list(`WideResNet-28-${k}`, { imageSize: 32 });
  let stream = net.conv('conv1', 16, 3);
  let width = 16;
  [16 * k, 32 * k, 64 * k].forEach((planes, stage) => {
    for (let block = 0; block < 4; block++) {
      const key = `block${stage + 1}.layer.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      net.bn(`${key}.bn1`, { inputs: [stream] });
      net.select(`${key}.select`);
      const entered = net.relu(`${key}.relu1`);
      net.conv(`${key}.conv1`, planes, 3, strides(stride));
      net.bn(`${key}.bn2`);
      net.relu(`${key}.relu2`);
      const inner = net.conv(`${key}.conv2`, planes, 3);
      const shortcut =
        planes === width
          ? stream
          : net.conv(`${key}.convShortcut`, planes, 1, { ...strides(stride), inputs: [entered] });
      stream = net.join('add', `${key}.add`, [inner, shortcut]);
      width = planes;
    }
  });
  net.bn('bn1');
  net.select('select');
  net.relu('relu');
  net.avgpool('avgpool', { functional: true });
  net.linear('fc');
  return net.done();
}

/** Widths of MobileNets are multiples of 8 that lose at most a tenth. */
function toEights(width) {
  const near = Math.max(8, Math.floor((width + 4) / 8) * 8);
  return near < 0.9 * width ? near + 8 : near;
}

/** MobileNetV2 (Sandler et al., CVPR 2018, table 2), with torchvision's keys. */
function mobilenetV2() {
  const net = list('MobileNetV2', { imageSize: 224, linearDeviation: 0.01 });
  const relu = (key) => net.relu(key, { max: 6 });
  net.conv('features.0.0', toEights(32), 3, { stride: 2 });
  net.bn('features.0.1');
  let stream = relu('features.0.2');
  let width = 32;
  let at = 1;
  // The columns are expansion, channels, blocks, stride of the first one.
  for (const [expand, channels, blocks, first] of [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ])
    for (let block = 0; block < blocks; block++, at++) {
      const key = `features.${at}.conv`;
      const stride = block === 0 ? first : 1;
      let part = 0;
      if (expand > 1) {
        net.conv(`${key}.${part}.0`, width * expand, 1);
        net.bn(`${key}.${part}.1`);
        relu(`${key}.${part++}.2`);
      }
      net.depthwise(`${key}.${part}.0`, 3, strides(stride));
      net.bn(`${key}.${part}.1`);
      relu(`${key}.${part++}.2`);
      net.conv(`${key}.${part++}`, channels, 1);
      const inner = net.bn(`${key}.${part}`);
      const adds = stride === 1 && channels === width;
      stream = adds ? net.join('add', `features.${at}.add`, [inner, stream]) : inner;
      width = channels;
    }
  net.conv(`features.${at}.0`, 1280, 1);
  net.bn(`features.${at}.1`);
  relu(`features.${at}.2`);
  net.avgpool('avgpool', { functional: true });
  net.linear('classifier.1');
  return net.done();
}

/** DenseNet-40 with 12 channels a layer (Huang et al., CVPR 2017, section 3), with channel selections. */
function densenet40() {
  const growth = 12;
  const net = list('DenseNet-40', { imageSize: 32, gamma: 0.5 });
  let width = 16;
  let stream = net.conv('conv1', width, 3);
  const enter = (key, dot) => {
    net.bn(`${key}${dot}${dot ? 'bn1' : 'bn'}`, { inputs: [stream] });
    net.select(`${key}${dot}select`);
    net.relu(`${key}${dot}relu`);
  };
  for (let block = 1; block <= 3; block++) {
    for (let layer = 0; layer < 12; layer++) {
      const key = `dense${block}.${layer}`;
      enter(key, '.');
      const added = net.conv(`${key}.conv1`, growth, 3);
      stream = net.join('concat', `${key}.concat`, [stream, added]);
      width += growth;
    }
    if (block === 3) break;
    enter(`trans${block}`, '.');
    net.conv(`trans${block}.conv1`, width, 1);
    stream = net.avgpool(`trans${block}.avgpool`, { kernel: 2, functional: true });
  }
  enter('', '');
  net.avgpool('avgpool', { functional: true });
  net.linear('fc');
  return net.done();
}

/** One line a layer. */
function textOf({ layers, ...entries }) {
  const line = (value) =>
    JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ').replace(/\[ /g, '[').replace(/ \]/g, ']');
  const head = Object.entries(entries).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`);
  return `{\n${head.join('')}  "layers": [\n${layers.map((layer) => `    ${line(layer)}`).join(',\n')}\n  ]\n}\n`;
}

const networks = {
  vgg16: vgg16(),
  resnet18: resnet18(),
  alexnet_bn: alexnetBn(),
  wide_resnet28_2: wideResnet28(2),
  wide_resnet28_4: wideResnet28(4),
  wide_resnet28_10: wideResnet28(10),
  mobilenet_v2: mobilenetV2(),
  densenet40: densenet40(),
};

const check = process.argv.includes('--check');
for (const [name, network] of Object.entries(networks)) {
  const file = join(folder, `${name}.json`);
  const text = textOf(network);
  if (!check) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${file} is not as scripts/networks.mjs writes it: run it without --check.`);
    process.exitCode = 1;
  }
}
