"""Small data sets as other tools write them, and what is in them: every class and the sha256 of every image.

    python scripts/golden/data_files.py OUT [SET ...]

Each set needs its tool; one that is not installed is passed by, with the reason. test/fixtures/formats/ was made with
datasets 5.2.0 and pyarrow 26.0.1 (hf-5, pq-*), datasets 2.18.0 and pyarrow 15.0.2 (hf-2), mosaicml-streaming 0.13.0,
ffcv 1.0.2, scipy 1.17.1 and Pillow 13.0.0.
"""
import hashlib
import importlib
import io
import json
import os
import random
import shutil
import sys
import tarfile

from PIL import Image, ImageDraw

CLASSES = ['tench, Tinca tinca', 'goldfish', 'great white shark']
WNIDS = ['n01440764', 'n01443537', 'n01484850']
COUNTS = {'train': 9, 'val': 4}
OUT = sys.argv[1]
EXPECTED = {}


def picture(seed, mode='RGB'):
    r = random.Random(seed)
    width, height = r.randrange(8, 33), r.randrange(8, 33)
    image = Image.linear_gradient('L').resize((width, height)).convert('RGB')
    ImageDraw.Draw(image).rectangle([2, 3, width // 2, height // 2], fill=tuple(r.randrange(256) for _ in range(3)))
    return image.convert(mode)


def encoded(image, kind='JPEG', **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def rows(name, split, kinds=('JPEG',), modes=('RGB',)):
    """(label, PIL image, its file) of each image."""
    for i in range(COUNTS[split]):
        image = picture(f'{name} {split} {i}', modes[i % len(modes)])
        yield (i * 2 + i // 3) % len(CLASSES), image, encoded(image, kinds[i % len(kinds)])


def place(name, *folders):
    path = os.path.join(OUT, name, *folders)
    os.makedirs(path, exist_ok=True)
    return path


def expect(name, split, labels, hashes, classes=None):
    """hashes: of the files as they are, or of RGB pixels where nothing else is stored."""
    entry = EXPECTED.setdefault(name, {'classes': classes, 'splits': {}})
    entry['splits'][split] = [list(pair) for pair in zip(labels, hashes)]


def hugging_face(name):
    """As on the hub: a folder of parquet; the test split has no labels."""
    datasets = importlib.import_module('datasets')
    if datasets.__version__.split('.')[0] != name.split('-')[1]:
        raise ImportError(f'datasets is {datasets.__version__}')
    features = datasets.Features({'image': datasets.Image(), 'label': datasets.ClassLabel(names=CLASSES)})
    for split in COUNTS:
        made = list(rows(name, split, ('JPEG', 'JPEG', 'PNG'), ('RGB', 'L')))
        table = {'image': [{'bytes': file, 'path': f'{i}.JPEG'} for i, (_, _, file) in enumerate(made)], 'label': [row[0] for row in made]}
        data = datasets.Dataset.from_dict(table, features=features)
        pieces = 2 if split == 'train' else 1
        for i in range(pieces):
            word = 'validation' if split == 'val' else split
            data.shard(pieces, i, contiguous=True).to_parquet(f'{place(name, "data")}/{word}-{i:05d}-of-{pieces:05d}.parquet', batch_size=4)
        expect(name, split, table['label'], [sha(row[2]) for row in made], CLASSES)
    unlabelled = datasets.Dataset.from_dict({'image': [table['image'][0]], 'label': [-1]}, features=features)
    unlabelled.to_parquet(f'{place(name, "data")}/test-00000-of-00001.parquet')


PARQUET = {
    'pq-snappy': {'compression': 'snappy'},
    'pq-dictionary': {'compression': 'none', 'row_group_size': 4},
    'pq-zstd-v2': {'compression': 'zstd', 'data_page_version': '2.0', 'data_page_size': 500, 'use_dictionary': False},
    'pq-gzip': {'compression': 'gzip', 'row_group_size': 2},
    'pq-brotli': {'compression': 'brotli', 'data_page_size': 100},
    'pq-lz4': {'compression': 'lz4', 'use_dictionary': ['label']},
    'pq-plain-v2': {'compression': 'none', 'data_page_version': '2.0', 'use_dictionary': False, 'data_page_size': 700},
    'pq-delta': {'compression': 'none', 'use_dictionary': False, 'column_encoding': {'image.bytes': 'DELTA_LENGTH_BYTE_ARRAY', 'image.path': 'PLAIN', 'label': 'DELTA_BINARY_PACKED'}},
    'pq-names': {'compression': 'snappy'},
    'pq-columns': {'compression': 'none', 'use_dictionary': False},
}


def parquet(name):
    """What pyarrow's other options give; without the metadata of datasets."""
    pa, pq = importlib.import_module('pyarrow'), importlib.import_module('pyarrow.parquet')
    for split in COUNTS:
        made = list(rows(name, split))
        labels = [row[0] for row in made]
        names = name == 'pq-names'
        struct = [{'bytes': row[2], 'path': None} for row in made]
        columns = {
            'image': pa.array(struct, pa.struct([('bytes', pa.binary()), ('path', pa.string())])),
            'label': pa.array([WNIDS[x] for x in labels] if names else labels, pa.string() if names else pa.int64()),
        }
        if name == 'pq-columns':
            columns = {'note': pa.array(['é'] * len(made)), 'y': pa.array(labels, pa.uint8()), 'jpg': pa.array([row[2] for row in made], pa.large_binary())}
        pq.write_table(pa.table(columns), f'{place(name, split)}/0000.parquet', **PARQUET[name])
        expect(name, split, labels, [sha(row[2]) for row in made], WNIDS if names else None)


MDS = {
    'mds-jpeg': ({'image': 'jpeg', 'label': 'int'}, {'size_limit': 2048}, ('RGB',)),
    'mds-png': ({'id': 'str', 'png': 'png', 'target': 'uint16'}, {'compression': 'gz', 'hashes': ['md5']}, ('RGB',)),
    'mds-bytes': ({'cls': 'str_int', 'jpg': 'bytes', 'txt': 'str'}, {'compression': 'snappy'}, ('RGB',)),
    'mds-pil': ({'x': 'pil', 'y': 'int8'}, {'compression': 'zstd:7', 'hashes': ['sha1', 'xxh64'], 'size_limit': 4096}, ('RGB', 'L', 'RGBA', 'CMYK', 'LA')),
    'mds-pixels': ({'x': 'pil', 'y': 'int'}, {}, ('RGB',)),
    'mds-br': ({'label': 'str', 'x': 'pil'}, {'compression': 'br:4'}, ('RGB',)),
}


def mds(name):
    streaming = importlib.import_module('streaming')
    columns, options, modes = MDS[name]
    kinds = {kind.split(':')[0]: column for column, kind in columns.items()}
    for split in COUNTS:
        labels, hashes = [], []
        shutil.rmtree(place(name, split))
        with streaming.MDSWriter(out=place(name) + '/' + split, columns=columns, **options) as writer:
            for i, (label, image, file) in enumerate(rows(name, split, modes=('RGB',))):
                if 'pil' in kinds:
                    image = picture(f'{name} {split} {i}', modes[i % len(modes)])
                sample = {}
                for column, kind in columns.items():
                    if kind in ('pil', 'png', 'jpeg'):
                        sample[column] = image
                    elif kind == 'bytes':
                        sample[column] = file
                    elif column in ('id', 'txt'):
                        sample[column] = f'of {i}'
                    else:
                        sample[column] = WNIDS[label] if kind == 'str' else label
                writer.write(sample)
                labels.append(label)
                hashes.append(sha(image.convert('RGB').tobytes()) if 'pil' in kinds else None)
        if 'pil' not in kinds:
            back = streaming.StreamingDataset(local=f'{OUT}/{name}/{split}', shuffle=False, batch_size=1)
            column = next(c for c, kind in columns.items() if kind in ('jpeg', 'png', 'bytes'))
            for i in range(len(labels)):
                value = back[i][column]
                hashes[i] = sha(value if isinstance(value, bytes) else value.fp.getvalue() if hasattr(value.fp, 'getvalue') else b'')
        for file in os.listdir(place(name, split)):
            if options.get('compression') and file.endswith('.mds'):
                os.remove(os.path.join(OUT, name, split, file))
        expect(name, split, labels, hashes, WNIDS if columns.get('label') == 'str' else None)


def ffcv(name):
    numpy = importlib.import_module('numpy')
    fields, writer = importlib.import_module('ffcv.fields'), importlib.import_module('ffcv.writer')
    mode = name.split('-')[1]
    for split in COUNTS:
        made = list(rows(name, split))
        options = {'write_mode': mode} if mode != 'mixed' else {'write_mode': 'proportion', 'compress_probability': .5}
        path = f'{place(name)}/{split}_x.beton'
        columns = {'note': fields.JSONField(), 'label': fields.IntField(), 'image': fields.RGBImageField(**options)}
        writer.DatasetWriter(path, columns, num_workers=1, page_size=1 << 21).from_indexed_dataset([({'i': i}, row[0], numpy.array(row[1])) for i, row in enumerate(made)])
        table = importlib.import_module('ffcv.reader').Reader(path)
        data, sizes, hashes = open(path, 'rb').read(), {int(at): int(size) for _, at, size in table.alloc_table}, []
        for row in table.metadata:
            at = int(row['f2']['data_ptr'])
            hashes.append(sha(data[at:at + sizes[at]]))
        expect(name, split, [row[0] for row in made], hashes)


def archives(name):
    """ImageNet's archives in miniature. The classes of the development kit stand in another order than their names."""
    numpy, io_ = importlib.import_module('numpy'), importlib.import_module('scipy.io')
    order = [WNIDS[2], WNIDS[0], WNIDS[1]]

    def add(tar, file, data):
        info = tarfile.TarInfo(file)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

    labels, hashes = [], []
    with tarfile.open(f'{place(name)}/ILSVRC2012_img_train.tar', 'w') as outer:
        for c, wnid in enumerate(WNIDS):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode='w') as tar:
                for i in range(3):
                    data = encoded(picture(f'{wnid} {i}'))
                    add(tar, f'{wnid}_{i}.JPEG', data)
                    labels.append(c)
                    hashes.append(sha(data))
            add(outer, f'{wnid}.tar', inner.getvalue())
    expect(name, 'train', labels, hashes, WNIDS)
    made = list(rows(name, 'val'))
    with tarfile.open(f'{place(name)}/ILSVRC2012_img_val.tar', 'w') as tar:
        for i, row in enumerate(made):
            add(tar, f'ILSVRC2012_val_{i + 1:08d}.JPEG', row[2])
    expect(name, 'val', [row[0] for row in made], [sha(row[2]) for row in made], WNIDS)
    fields = ['ILSVRC2012_ID', 'WNID', 'words', 'num_children']
    synsets = numpy.zeros((4, 1), dtype=[(field, object) for field in fields])
    for k, row in enumerate([(i + 1, wnid, 'words', 0) for i, wnid in enumerate(order)] + [(4, 'n00001740', 'entity', 3)]):
        synsets[k, 0] = row
    meta = io.BytesIO()
    io_.savemat(meta, {'synsets': synsets}, do_compression=True)
    with tarfile.open(f'{place(name)}/ILSVRC2012_devkit_t12.tar.gz', 'w:gz') as tar:
        add(tar, 'ILSVRC2012_devkit_t12/data/meta.mat', meta.getvalue())
        add(tar, 'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt', ''.join(f'{order.index(WNIDS[row[0]]) + 1}\n' for row in made).encode())


def webdataset(name):
    wds = importlib.import_module('webdataset')
    kind = name.split('-')[1]
    for split in COUNTS:
        made = list(rows(name, split, ('WEBP',) if kind == 'webp' else ('JPEG',)))
        with wds.ShardWriter(f'{place(name)}/set-{split}-%04d.tar', maxcount=4, verbose=0) as sink:
            for i, (label, _, file) in enumerate(made):
                sink.write({'__key__': f'{split}/a.b{i}' if kind == 'JPEG' else f'{i:05d}', kind: file, **({'json': {'label': label}} if kind == 'JPEG' else {'cls': label})})
        expect(name, split, [row[0] for row in made], [sha(row[2]) for row in made])


SETS = {'hf-5': hugging_face, 'hf-2': hugging_face, **dict.fromkeys(PARQUET, parquet), **dict.fromkeys(MDS, mds), 'ffcv-jpg': ffcv, 'ffcv-raw': ffcv, 'ffcv-mixed': ffcv, 'ilsvrc': archives, 'wds-webp': webdataset, 'wds-JPEG': webdataset}

if __name__ == '__main__':
    for name in sys.argv[2:] or SETS:
        try:
            shutil.rmtree(os.path.join(OUT, name), ignore_errors=True)
            SETS[name](name)
        except ImportError as error:
            print(f'skipped {name}: {error}')
    path = os.path.join(OUT, 'expected.json')
    kept = json.load(open(path)) if os.path.exists(path) else {}
    with open(path, 'w') as file:
        json.dump(kept | EXPECTED, file, separators=(',', ':'), ensure_ascii=False)
