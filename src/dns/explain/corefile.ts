import type { ClusterState } from '../../cluster/store.ts';
import { formatPosition } from '../corefile/position.ts';
import { formatUpstream } from '../forward/upstream-address.ts';
import { canonicalName, zoneOf } from '../message/name.ts';
import {
  type Configuration,
  type ConfiguredBlock,
  kubernetesOf,
  needsChain,
} from '../plugin/configure.ts';
import type { ForwardConfig } from '../plugin/forward/config.ts';
import type { Table } from '../table/table.ts';
import { KUBERNETES_ZONE_DEFAULTS } from '../zone/options.ts';
import { explainName, type NameExplanation } from './explain.ts';

/** Why a name gives what it gives where a Corefile is in force. */
export interface CorefileNameExplanation extends NameExplanation {
  /** The zone, port and place of the server block; undefined where none has the name. */
  readonly block: string | undefined;
  /** Plugins that see the query before the cluster's names and upstreams, and what they do. */
  readonly before: readonly string[];
  /** What plugins of a running server know of the name now, such as whether it is cached. */
  readonly now: readonly string[];
}

/** What a running server adds. */
export interface LiveKnowledge {
  /** The table the block's `kubernetes` answers from. */
  readonly table: Table | undefined;
  readonly now: readonly string[];
}

/**
 * Explains the answer to a name and type on a port, from a cluster's objects and a Corefile. Throws
 * NameError and QueryTypeError.
 */
export function explainByCorefile(
  state: ClusterState,
  configuration: Configuration,
  port: number,
  name: string,
  type: string,
  live?: LiveKnowledge,
): CorefileNameExplanation {
  const served = blockOf(configuration, port, canonicalName(name));
  const config = served === undefined ? undefined : kubernetesOf(served.block);
  const options = config?.options ?? { ...KUBERNETES_ZONE_DEFAULTS, zones: [] };
  const upstream = served === undefined ? undefined : upstreamOf(served.block, canonicalName(name));
  const explained = explainName(state, options, name, type, { upstream, table: live?.table });
  if (served === undefined) {
    const rule = `no server block on port ${port} has the name`;
    return { ...explained, rule, block: undefined, before: [], now: [] };
  }
  const { block, zone } = served;
  return {
    ...explained,
    block: `${zone} port ${port}, ${formatPosition(block.block.at)}`,
    before: block.plugins
      .filter((plugin) => needsChain({ ...block, plugins: [plugin] }))
      .flatMap(({ name: plugin, says }) => says.map((sentence) => `${plugin}: ${sentence}`)),
    now: live?.now ?? [],
  };
}

function blockOf(
  { blocks }: Configuration,
  port: number,
  name: string,
): { readonly block: ConfiguredBlock; readonly zone: string } | undefined {
  const all = blocks.flatMap((block) =>
    block.block.keys
      .filter((key) => key.port === port && zoneOf(name, [key.zone]) !== undefined)
      .map(({ zone }) => ({ block, zone })),
  );
  return all.toSorted((a, b) => b.zone.length - a.zone.length)[0];
}

/** The first `forward` that has the name, as it is written and what that comes to. */
function upstreamOf({ block, plugins }: ConfiguredBlock, name: string): string | undefined {
  const configured = plugins.find((plugin) => plugin.name === 'forward');
  if (configured === undefined) return undefined;
  const configs = configured.config as readonly ForwardConfig[];
  const directives = block.directives.filter((each) => each.name.text === 'forward');
  for (const [index, { from, except, upstreams, policy, files }] of configs.entries()) {
    if (zoneOf(name, from) === undefined || zoneOf(name, except) !== undefined) continue;
    const at = directives[index]?.name ?? block.at;
    const to = upstreams.map((each) => {
      return `${each.transport === 'tls' ? 'tls://' : ''}${formatUpstream(each)}`;
    });
    const source = files.length > 0 ? ` of ${files.join(' ')}` : '';
    const rule = `forward ${from.join(' ')} at ${formatPosition(at)}`;
    return `${to.join(' ')}${source} (${rule}${to.length > 1 ? `, ${policy}` : ''})`;
  }
  return undefined;
}
