import type { Addr } from '../../ipaddr/addr.ts';
import type { SharedWriter } from '../cache/shared-cache.ts';
import type { Directive, ServerBlock } from '../corefile/parse.ts';
import type { Message, ResourceRecord } from '../message/message.ts';
import type { QueryContext } from '../server/fallback.ts';
import type { HttpEndpoints } from './http-endpoints.ts';
import type { Labels, Metrics } from './metrics.ts';

/** A query on its way through the plugins of a server block. */
export interface Query {
  /** As the plugins so far left it. */
  readonly request: Message;
  /** The name asked for in lower case. */
  readonly name: string;
  readonly context: QueryContext;
  /** The server it came to, as CoreDNS labels it in metrics: `dns://:53`. */
  readonly server: string;
  /** How many CNAMEs led here. */
  readonly depth: number;
}

/** What a query comes to. */
export interface Reply {
  readonly message: Message;
  /** The plugin that answered. */
  readonly by: string;
  /** Set where the next query is to come to the plugin again, so nobody keeps the answer. */
  readonly isLive?: boolean;
  /** Why there is no better answer, for the log. */
  readonly problem?: string;
}

/** Hands a query to the plugins that come after; undefined is no answer at all. */
export type Next = (query: Query) => Promise<Reply | undefined>;

/** One step of a server block. */
export interface Plugin {
  readonly name: string;
  /** Answers the query, or changes it or what `next` makes of it. Plugins without it only listen. */
  handle?(query: Query, next: Next): Promise<Reply | undefined>;
  /** What the plugin knows of the query's name now, a sentence each; asks nobody. */
  knows?(query: Query): readonly string[];
  /** Opens what the plugin needs. A rejection keeps the Corefile from being taken. */
  start?(): Promise<void>;
  /** The whole Corefile is in force from here on. */
  started?(): void;
  /** Gives everything back. */
  stop?(): void;
  /** Why the plugin can't do its work yet; undefined when it can. */
  notReady?(): string | undefined;
}

/** The labels that nearly every metric of CoreDNS has: which server the query came to, and no view. */
export function serverLabels({ server }: Pick<Query, 'server'>): Labels {
  return { server, view: '' };
}

/** The server block a plugin works in, which may stand behind several servers. */
export interface ServerInfo {
  readonly zones: readonly string[];
  readonly port: number;
  /** The first of its servers, for what is asked of none: see `Query.server`. */
  readonly label: string;
}

/** Where plugins write. */
export interface DnsLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** An answer from the cluster's table. */
export interface ClusterAnswer {
  readonly message: Message;
  /** Where an ExternalName leads out of the zones; the message then has the CNAME. */
  readonly target?: string;
}

/** What plugins see of the cluster. */
export interface ClusterView {
  /** The table's answer; undefined for names outside its zones, or left to what comes next. */
  answer(request: Message, context: QueryContext): ClusterAnswer | undefined;
  /** The namespace of the pod with the address. */
  namespaceOf(client: Addr): string | undefined;
  /** The domain of Service names, canonical. */
  readonly domain: string;
  /** Why the table isn't complete yet; undefined when it is. */
  notReady(): string | undefined;
}

/** What is around a plugin. */
export interface Environment {
  readonly server: ServerInfo;
  readonly log: DnsLog;
  readonly metrics: Metrics;
  readonly endpoints: HttpEndpoints;
  /** Undefined where there is no cluster behind the server. */
  readonly cluster: ClusterView | undefined;
  /** Undefined where threads must not answer past the plugins. */
  readonly shared: SharedWriter | undefined;
  /** Whether answers from shared memory are to be rotated. */
  readonly rotates: boolean;
  /** Asks the block itself, from its first plugin on. */
  readonly ask: Next;
  /**
   * The records of the query's type at the name a CNAME's data has, asked of the block itself; none
   * when there are none, or after too many CNAMEs in a row.
   */
  readonly resolve: (query: Query, cname: Uint8Array) => Promise<readonly ResourceRecord[]>;
  /** The time in milliseconds since 1970. */
  readonly now: () => number;
  /** All plugins of all server blocks that say why they are not ready. */
  readonly notReady: () => readonly string[];
  /** All metrics in Prometheus' text format. */
  readonly metricsText: () => Promise<string>;
}

/** A directive whose words were understood. */
export interface ConfiguredPlugin {
  readonly name: string;
  readonly config: unknown;
  /** What it will do, a sentence a line. */
  readonly says: readonly string[];
  create(environment: Environment): Plugin;
  /** The most bytes a UDP answer of the block may have, where the plugin says so. */
  readonly udpBytesMax?: number;
  /** Files whose change is a change of the Corefile. */
  readonly files?: readonly string[];
}

/** What a directive is read in. */
export interface DirectiveContext {
  /** The zones of the server block, canonical. */
  readonly zones: readonly string[];
  readonly block: ServerBlock;
  readonly path: string;
}

/** How one kind of plugin is made from its directives. */
export interface PluginModule {
  readonly name: string;
  /** `directives` are all of that name in the block, in order. Throws CorefileError. */
  configure(directives: readonly Directive[], context: DirectiveContext): ConfiguredPlugin;
}

/** How one kind of plugin is written: its words to a config, its config to a plugin. */
export interface PluginDefinition<Config> {
  readonly name: string;
  /** Whether the directive may stand in a block more than once. */
  readonly repeats?: boolean;
  readonly parse: (directives: readonly Directive[], context: DirectiveContext) => Config;
  readonly says: (config: Config) => readonly string[];
  readonly create: (config: Config, environment: Environment) => Plugin;
  readonly udpBytesMax?: (config: Config) => number;
  readonly files?: (config: Config) => readonly string[];
}
