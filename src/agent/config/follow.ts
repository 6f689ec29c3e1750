import type { Agent, AgentChanges } from '../agent.ts';
import type { HealthRegistry } from '../health/registry.ts';
import type { Logger } from '../log.ts';
import type { AgentConfig } from './agent-config.ts';
import type { Changes } from './changes.ts';
import type { ReloadStatus } from './reload-status.ts';
import { Reloader } from './reloader.ts';
import { corefileOf } from './settings.ts';
import { sourceChanges } from './source-options.ts';

/** Who follows which configuration. */
export interface Following {
  readonly config: AgentConfig;
  /** Reads it as it is now. Throws ConfigError. */
  readonly read: () => AgentConfig;
  readonly agent: Agent;
  readonly log: Logger;
  readonly health: HealthRegistry;
  readonly reloads: ReloadStatus;
}

/** Has an agent follow its configuration for as long as that is open. */
export function followConfig(following: Following): Reloader {
  const { config, read, agent, log, health, reloads } = following;
  health.probe('config-refused', () => reloads.problem);
  health.probe('restart-needed', () => {
    const names = reloads.restart;
    return names.length === 0 ? undefined : names.join(', ');
  });
  return new Reloader(config, reloads, {
    read,
    async apply(changes) {
      await agent.reconfigure(agentChanges(changes));
      const { values, warnings } = changes.config;
      log.level = values['log.level'];
      for (const { where, problem } of warnings) log.warn({ where, problem }, 'configuration');
    },
    onApplied: (options) => log.info({ options }, 'configuration taken over'),
    onRefused: (error) =>
      log.error({ error }, 'configuration refused; the one before it stays in force'),
    onRecovered: () => log.info('the configuration is well again'),
    onRestartNeeded(options) {
      if (options.length === 0) log.info('no option waits for a restart any more');
      else log.warn({ options }, 'these options stay as they are until the agent is restarted');
    },
  });
}

/** What changes of options mean for the parts of the agent. */
function agentChanges({ live, config }: Changes): AgentChanges {
  const touches = (subject: string) => live.some((name) => name.startsWith(`${subject}.`));
  const sources = sourceChanges(live, config.values);
  const corefile = corefileOf(config.values, config.origins);
  return {
    ...(touches('proxy') ? { proxy: config.kubeProxy } : {}),
    ...(touches('http') ? { http: config.kubeProxy } : {}),
    ...(sources.manifests === undefined && sources.server === undefined ? {} : { sources }),
    ...(touches('dns') && corefile !== undefined ? { corefile } : {}),
  };
}
