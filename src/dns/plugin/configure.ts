import type { Addr } from '../../ipaddr/addr.ts';
import type { Corefile, Directive, ServerBlock } from '../corefile/parse.ts';
import { CorefileError } from '../corefile/position.ts';
import { zoneOf } from '../message/name.ts';
import type { AclConfig } from './acl/config.ts';
import { AclFilter } from './acl/filter.ts';
import type { BindConfig } from './bind/config.ts';
import type { HealthConfig } from './health/config.ts';
import type { KubernetesConfig } from './kubernetes/config.ts';
import type { ConfiguredPlugin } from './plugin.ts';
import { PLUGINS, UNSUPPORTED } from './registry.ts';
import { permitsTransfer, type TransferConfig } from './transfer/config.ts';

/** A server block whose every directive was understood. */
export interface ConfiguredBlock {
  readonly zones: readonly string[];
  /** Where `bind` has it listen; none where it says nothing. */
  readonly addresses: readonly string[];
  /** In the order queries meet them. */
  readonly plugins: readonly ConfiguredPlugin[];
  readonly block: ServerBlock;
}

/** A Corefile that can be run. */
export interface Configuration {
  readonly corefile: Corefile;
  readonly blocks: readonly ConfiguredBlock[];
}

/** Everything in a Corefile that can't be taken, each with its place. */
export class ConfigurationError extends CorefileError {
  readonly all: readonly CorefileError[];

  constructor(all: readonly [CorefileError, ...CorefileError[]]) {
    super(all[0].position, all[0].problem);
    this.all = all;
    if (all.length > 1) this.message += ` (and ${all.length - 1} more)`;
  }
}

/** What of a Corefile was understood, and what was not. */
export interface Inspection {
  readonly configuration: Configuration;
  readonly problems: readonly CorefileError[];
}

/** Understands a parsed Corefile. Throws ConfigurationError with all that is wrong. */
export function configure(corefile: Corefile): Configuration {
  const { configuration, problems } = inspect(corefile);
  const [first, ...rest] = problems;
  if (first !== undefined) throw new ConfigurationError([first, ...rest]);
  return configuration;
}

/** Understands of a parsed Corefile what there is to understand. */
export function inspect(corefile: Corefile): Inspection {
  const problems: CorefileError[] = [];
  const collect = <Result>(work: () => Result): Result | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof CorefileError)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  const blocks = corefile.blocks.map((block) => {
    for (const { name } of block.directives) collect(() => expectKnown(name.text, block, name));
    const zones = [...new Set(block.keys.map(({ zone }) => zone))];
    const context = { zones, block, path: block.at.file };
    const plugins = PLUGINS.flatMap((plugin) => {
      const own = block.directives.filter(({ name }) => name.text === plugin.name);
      if (own.length === 0) return [];
      const configured = collect(() => plugin.configure(own, context));
      return configured === undefined ? [] : [configured];
    });
    return { zones, addresses: addressesOf(plugins), plugins, block };
  });
  const taken = new Set<string>();
  for (const { block, addresses } of blocks) {
    for (const { zone, port } of block.keys) {
      for (const address of addresses.length === 0 ? [''] : addresses) {
        const key = `${zone} ${port} ${address}`;
        if (taken.has(key)) {
          const problem = `${zone} on port ${port} has a server block already`;
          problems.push(new CorefileError(block.at, problem));
        }
        taken.add(key);
      }
    }
  }
  return { configuration: { corefile, blocks }, problems: problems.toSorted(byPlace) };
}

function addressesOf(plugins: readonly ConfiguredPlugin[]): readonly string[] {
  const bound = plugins.find(({ name }) => name === 'bind');
  return bound === undefined ? [] : (bound.config as BindConfig).addresses;
}

function byPlace({ position: a }: CorefileError, { position: b }: CorefileError): number {
  return a.file.localeCompare(b.file) || a.line - b.line || a.column - b.column;
}

function expectKnown(name: string, block: ServerBlock, at: Directive['name']): void {
  if (PLUGINS.some((plugin) => plugin.name === name)) return;
  const instead = Object.hasOwn(UNSUPPORTED, name) ? UNSUPPORTED[name] : undefined;
  if (instead !== undefined) throw new CorefileError(at, `${name}: not supported; ${instead}`);
  const known = PLUGINS.map((plugin) => plugin.name).sort();
  const zones = block.keys.map(({ zone }) => zone).join(' ');
  throw new CorefileError(
    at,
    `server block ${zones}: no directive "${name}"; there are ${known.join(', ')}`,
  );
}

/** What `kubernetes` says in a block; undefined without it. */
export function kubernetesOf({ plugins }: ConfiguredBlock): KubernetesConfig | undefined {
  const own = plugins.find(({ name }) => name === 'kubernetes');
  return own === undefined ? undefined : (own.config as KubernetesConfig);
}

/**
 * Whether a client may ask a block for a transfer of a zone: by its `transfer`, or because it may in any
 * case. What `acl` would not let through may not, though transfers do not come to the plugins.
 */
export function mayTransfer(
  { plugins }: ConfiguredBlock,
  query: { readonly zone: string; readonly type: number; readonly client: Addr },
  inAnyCase: boolean,
): boolean {
  const { zone, type, client } = query;
  const own = plugins.find(({ name }) => name === 'transfer');
  const isNamed = own !== undefined && permitsTransfer(own.config as TransferConfig, zone, client);
  if (!inAnyCase && !isNamed) return false;
  const rules = plugins.flatMap(({ name, config }) =>
    name === 'acl' ? (config as AclConfig).lists : [],
  );
  return rules
    .filter(({ zones }) => zoneOf(zone, zones) !== undefined)
    .every((list) => AclFilter.of(list.rules).verdict(client, type) === 'allow');
}

/** How long a server goes on after the order to stop: what `health` says. */
export function lameduckMsOf({ blocks }: Configuration): number {
  const configs = blocks.flatMap(({ plugins }) =>
    plugins.flatMap(({ name, config }) => (name === 'health' ? [config as HealthConfig] : [])),
  );
  return Math.max(0, ...configs.map(({ lameduckMs }) => lameduckMs));
}

/** Plugins that do nothing to queries the threads answer from the cluster's table. */
const BESIDE_TABLE: ReadonlySet<string> = new Set([
  'any', // the table answers ANY with one rrset
  'bind',
  'bufsize',
  'cache', // keeps nothing of the cluster
  'errors',
  'forward',
  'health',
  'kubernetes',
  'loadbalance', // the table rotates
  'loop',
  'prometheus', // threads count for themselves
  'ready',
  'reload',
  'transfer', // the server answers transfers itself
]);

/** Plugins the threads may pass by when they answer from the cache. */
const BESIDE_CACHE: ReadonlySet<string> = new Set([...BESIDE_TABLE, 'hosts', 'template']);

/**
 * Whether names of the cluster must go through the block's plugins, for one of them may answer, change
 * or log them, instead of being answered by the threads at once.
 */
export function needsChain({ plugins }: ConfiguredBlock): boolean {
  return plugins.some(({ name }) => !BESIDE_TABLE.has(name));
}

/**
 * Whether threads may answer from the cache: everything before it in the order must be passed by.
 * What comes after it had its say when the answer was made.
 */
export function mayShareCache({ plugins }: ConfiguredBlock): boolean {
  const before = plugins.slice(
    0,
    plugins.findIndex(({ name }) => name === 'cache'),
  );
  return before.every(({ name }) => BESIDE_CACHE.has(name));
}
