import { type AgentConfig, withValues } from './agent-config.ts';
import { OPTION_NAMES, OPTIONS, type OptionName } from './definitions.ts';

/** What another configuration comes to for an agent that runs. */
export interface Changes {
  /** What takes effect at once. */
  readonly live: readonly OptionName[];
  /** What waits for a restart. */
  readonly restart: readonly OptionName[];
  /** The other configuration, but for what waits. */
  readonly config: AgentConfig;
}

const COREFILE: readonly OptionName[] = ['dns.corefile', 'dns.corefileText'];
/** It is in the values already. */
const NO_EFFECT: readonly OptionName[] = ['proxy.kubeProxyConfigurationFile'];

/** How `next` differs from what the agent runs with. */
export function changesBetween(running: AgentConfig, next: AgentConfig): Changes {
  const differing = OPTION_NAMES.filter(
    (name) => !NO_EFFECT.includes(name) && textOf(running, name) !== textOf(next, name),
  );
  // Threads that answer for the cluster alone are no server of a Corefile, nor the other way round.
  const isOtherServer = hasCorefile(running) !== hasCorefile(next);
  // What a node says of itself, and has claimed, it has said to one server.
  const isKnown = running.values['node.register'] || running.values['overlay.backend'] !== 'none';
  const waits = (name: OptionName) =>
    OPTIONS[name].change === 'restart' ||
    (isOtherServer && name.startsWith('dns.')) ||
    (isKnown && /^sources\.(?:etcd|kubernetes)\./.test(name));
  const restart = differing.filter(waits);
  const live = differing.filter((name) => !waits(name));
  return { live, restart, config: withValues(next, running, restart) };
}

function hasCorefile({ values }: AgentConfig): boolean {
  return COREFILE.some((name) => values[name] !== undefined);
}

function textOf({ values }: AgentConfig, name: OptionName): string {
  return JSON.stringify(OPTIONS[name].type.format(values[name]));
}
