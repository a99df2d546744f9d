import { z } from 'zod';
import { DEFAULT_NETWORK, DEPTH_LIST, NETWORK_LIST } from '../../network/names';
import { archSchema } from '../../network/schema';
import { count, optionOf } from '../option';

const option = optionOf('Network');
const common = { group: 'Common' } as const;

const NETWORK_HELP = `network: ${NETWORK_LIST}, or a file (docs/add-a-network.md)`;
const NETWORK_ALLOWED = 'the name of a network, or the path of a file that ends in .json';

export const model = {
  arch: option(archSchema.default(DEFAULT_NETWORK), NETWORK_HELP, NETWORK_ALLOWED, common),
  depth: option(count().optional(), 'depth of the network', { ...common, defaultHelp: DEPTH_LIST }),
  cfg: option(
    z
      .array(z.union([count(), z.literal('M')]))
      .min(1)
      .optional(),
    'channel widths, M for a max-pool',
    'widths such as 64 64 M 128',
    { defaultHelp: 'as the depth' },
  ),
};

/** Key of the weights in a file. It is part of a run's identity, as other weights of the file make another run. */
export const weightsKey = {
  key: option(
    z.string().min(1).optional(),
    'where the weights lie in the checkpoint: keys from the outside in, with dots, such as state_dict_ema',
    'a key such as state_dict_ema, or keys with dots between them',
    { defaultHelp: 'state_dict, model, net, ... or the one dictionary of tensors' },
  ),
};

/** Options of the network of a file, which records it; `what` names the file. */
const networkOf = (what: string) => ({
  arch: option(archSchema.optional(), NETWORK_HELP, NETWORK_ALLOWED, {
    ...common,
    defaultHelp: `as the ${what} says, else ${DEFAULT_NETWORK}`,
  }),
  depth: option(count().optional(), 'depth of the network', {
    ...common,
    defaultHelp: `as the ${what} says, else ${DEPTH_LIST}`,
  }),
});

export const checkpointNetwork = networkOf('checkpoint');

export const ticketNetwork = networkOf('ticket');
