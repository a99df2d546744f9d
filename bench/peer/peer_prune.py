"""Pruning as the reference does it: one threshold over the |gamma| of all batch-norm layers, then smaller layers.

VGG-16 loses channels of every layer. A PreResNet keeps its residual stream: what a block reads is selected, its inner layers shrink.
"""
import torch
import torch.nn as nn

from peer_models import Select, bn_gammas, build


def masks_of(model, ratio):
    """A mask for each batch-norm layer, in traversal order. A layer that would lose everything keeps its largest |gamma|."""
    sizes = [gamma.detach().abs() for gamma in bn_gammas(model)]
    every = torch.cat(sizes).sort()[0]
    threshold = every[int(len(every) * ratio)]
    masks = [size > threshold for size in sizes]
    for mask, size in zip(masks, sizes):
        if not mask.any():
            mask[size.argmax()] = True
    return masks


def copy_norm(new, old, mask):
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(new, name).copy_(getattr(old, name)[mask])


def copy_vgg(new, old, masks):
    masks, before, after = iter(masks), slice(None), None
    for small, large in zip(new.modules(), old.modules()):
        if isinstance(large, nn.Conv2d):
            after = next(masks)
            small.weight.copy_(large.weight[after][:, before])
        elif isinstance(large, nn.BatchNorm2d):
            copy_norm(small, large, after)
            before = after
        elif isinstance(large, nn.Linear):
            small.weight.copy_(large.weight[:, before])
            small.bias.copy_(large.bias)


def copy_preresnet(new, old, masks):
    new.conv1.weight.copy_(old.conv1.weight)
    whole, masks = slice(None), iter(masks)
    for small, large in zip(blocks_of(new), blocks_of(old)):
        first, second, third = next(masks), next(masks), next(masks)
        select(small, large.bn1, small.bn1, first)
        small.conv1.weight.copy_(large.conv1.weight[second][:, first])
        copy_norm(small.bn2, large.bn2, second)
        small.conv2.weight.copy_(large.conv2.weight[third][:, second])
        copy_norm(small.bn3, large.bn3, third)
        small.conv3.weight.copy_(large.conv3.weight[whole][:, third])
        if large.downsample is not None:
            small.downsample[0].weight.copy_(large.downsample[0].weight)
    last = next(masks)
    select(new, old.bn, new.bn, last)
    new.fc.weight.copy_(old.fc.weight[:, last])
    new.fc.bias.copy_(old.fc.bias)


def blocks_of(model):
    return [block for layer in (model.layer1, model.layer2, model.layer3) for block in layer]


def select(owner, old_norm, new_norm, mask):
    """A norm before a selection keeps its width."""
    copy_norm(new_norm, old_norm, slice(None))
    owner.select.indexes.copy_(mask)


def widths(model, masks):
    """The cfg of the small network: kept channels by layer, and VGG's poolings between them."""
    counts = [int(mask.sum()) for mask in masks]
    if any(isinstance(m, Select) for m in model.modules()):
        return counts
    kept = iter(counts)
    layers = [m for m in model.modules() if isinstance(m, (nn.BatchNorm2d, nn.MaxPool2d))]
    return ["M" if isinstance(m, nn.MaxPool2d) else next(kept) for m in layers]


def prune(name, model, ratio, classes, inherit=True):
    """The small network and its cfg. Without `inherit` it has new weights, but selects the same channels."""
    model = model.cpu()
    masks = masks_of(model, ratio)
    cfg = widths(model, masks)
    new = build(name, cfg, classes)
    fresh = {key: value.clone() for key, value in new.state_dict().items() if not key.endswith("indexes")}
    with torch.no_grad():
        (copy_vgg if name.startswith("vgg") else copy_preresnet)(new, model, masks)
    if not inherit:
        new.load_state_dict(fresh, strict=False)
    return new, cfg
