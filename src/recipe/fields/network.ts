import { z } from 'zod';
import { count, optionOf, wholeNumber } from '../option';

const option = optionOf('Network');
const common = { group: 'Common' } as const;

export const NETWORKS = 'network: vgg, resnet (PreResNet), resnet18, resnet34, resnet50_official, resnet50_prune';
const cfgText = 'widths such as 64 64 M 128';
export const model = {
  arch: option(z.string().min(1).default('vgg'), NETWORKS, 'the name of a network', common),
  depth: option(count().optional(), 'depth of the network', wholeNumber(), {
    ...common,
    defaultHelp: '19 for vgg, 164 for resnet',
  }),
  cfg: option(
    z
      .array(z.union([count(), z.literal('M')]))
      .min(1)
      .optional(),
    'channel widths, M for a max-pool',
    cfgText,
    {
      defaultHelp: 'as the depth',
    },
  ),
};
/** The network of a checkpoint, which our own files name. */
export const saidNetwork = {
  arch: option(z.string().optional(), 'network', 'the name of a network', {
    ...common,
    defaultHelp: 'as the checkpoint says, else vgg',
  }),
  depth: option(count().optional(), 'depth', wholeNumber(), {
    ...common,
    defaultHelp: 'as the checkpoint says, else 19 for vgg, 164 for resnet',
  }),
};
/** Where a ticket is retrained it names its network; `retrain` fills both in, so that what reads a recipe finds them. */
export const ticketNetwork = {
  arch: option(model.arch.unwrap().optional(), NETWORKS, 'the name of a network', {
    ...common,
    defaultHelp: 'as the ticket says, else vgg',
  }) as unknown as typeof model.arch,
  depth: option(count().optional(), 'depth of the network', wholeNumber(), {
    ...common,
    defaultHelp: 'as the ticket says, else 19 for vgg, 164 for resnet',
  }),
};
