import type { Expression } from '../../netlink/nftables/expression/expression.ts';
import { loadMeta, loadNumber, loadPayload } from '../../netlink/nftables/expression/load.ts';
import { lookupMap, maskXor } from '../../netlink/nftables/expression/match.ts';
import { destinationNat } from '../../netlink/nftables/expression/nat.ts';
import { dynset, storeMeta } from '../../netlink/nftables/expression/store.ts';
import { hostU32 } from '../../netlink/nftables/value.ts';
import type { ChainSpec } from './chains.ts';
import { HEADER, type IpFamily, SET, TABLE } from './names.ts';
import { affinitySet, chainOf, type Pick } from './pick.ts';
import { POOL_MASK } from './target.ts';

/** The chain that sends a connection to one of N endpoints, each as likely. */
export function pickChainSpec(family: IpFamily, pick: Pick): ChainSpec {
  const { count, stickySeconds } = pick;
  const name = chainOf(pick);
  const endpoints = `${count} endpoint${count === 1 ? '' : 's'}`;
  if (stickySeconds > 0) return stickyChainSpec(family, pick, name, endpoints);
  return {
    name,
    comment: `pools of ${endpoints}`,
    rules: [
      {
        comment: 'a random slot',
        expressions: [
          ...loadPool(0),
          loadNumber('random', count, 1),
          lookupMap(SET.endpoints, 0, 0),
          translate(family),
        ],
      },
    ],
  };
}

/*
 * nft(8) up to 1.0.6 aborts when it lists a lookup that takes its key from another, so what was found
 * goes through the packet's priority here too: first the endpoint the client had, else a random one.
 */
function stickyChainSpec(
  family: IpFamily,
  { count, stickySeconds }: Pick,
  name: string,
  endpoints: string,
): ChainSpec {
  const { source, bytes, words } = HEADER[family];
  const set = affinitySet(stickySeconds);
  const client = loadPayload('network', source, bytes, 0);
  const remember = (operation: 'update' | 'delete'): Expression[] => [
    client,
    ...loadPool(words),
    loadMeta('priority', words + 1),
    dynset({ operation, set, keyWord: 0, dataWord: words + 1 }),
  ];
  const send = [loadMeta('priority', 0), lookupMap(SET.stickyEndpoints, 0, 0), translate(family)];
  return {
    name,
    comment: `pools of ${endpoints} that remember their clients for ${stickySeconds} s`,
    rules: [
      {
        comment: 'the endpoint the client had, if it is still there',
        expressions: [
          client,
          ...loadPool(words),
          lookupMap(set, 0, 0),
          storeMeta('priority', 0),
          ...remember('update'),
          ...send,
        ],
      },
      { comment: 'it is gone, or there was none', expressions: remember('delete') },
      {
        comment: 'a random slot, remembered',
        expressions: [
          ...loadPool(0),
          loadNumber('random', count, 1),
          lookupMap(SET.stickySlots, 0, 0),
          storeMeta('priority', 0),
          ...remember('update'),
          ...send,
        ],
      },
    ],
  };
}

/** Loads the pool's bits of the priority. */
function loadPool(word: number): Expression[] {
  return [loadMeta('priority', word), maskXor(hostU32(POOL_MASK), hostU32(0), word)];
}

/** Sends the connection to the address and port that begin at word 0. */
function translate(family: IpFamily): Expression {
  const target = { family: TABLE[family].family, addressWord: 0, portWord: HEADER[family].words };
  return destinationNat(target);
}
