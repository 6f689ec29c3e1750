import type { CommandModule } from 'yargs';
import { Agent } from '../../../agent/agent.ts';
import type { AgentConfig } from '../../../agent/config/agent-config.ts';
import { followConfig } from '../../../agent/config/follow.ts';
import { ReloadStatus } from '../../../agent/config/reload-status.ts';
import { dnsOptions } from '../../../agent/config/settings.ts';
import { checkSources, sourceOptions } from '../../../agent/config/source-options.ts';
import { HealthRegistry } from '../../../agent/health/registry.ts';
import { openLog } from '../../../agent/log.ts';
import { MemoryKeeper } from '../../../agent/memory.ts';
import { selfCommand, workerSpawner } from '../../self.ts';
import { VERSION } from '../../version.ts';
import { type AgentArgs, orInputError, readConfig, withAgentFlags } from './options.ts';

/** `podwire agent` */
export const agentCommand: CommandModule<object, AgentArgs> = {
  command: 'agent',
  describe: 'run the daemon of this node: Service proxy and cluster DNS',
  builder: (yargs) =>
    withAgentFlags(yargs).epilogue(
      'PODWIRE_<FLAG> in the environment says the same as a flag, such as PODWIRE_LOG_LEVEL; flags go before it, and it goes before the file. SIGTERM stops the agent and leaves its rules in place; "podwire cleanup" removes them. SIGHUP has it read its configuration and the Corefile again.',
    ),
  async handler(args) {
    const read = (): AgentConfig => {
      const config = readConfig(args);
      checkSources(config.values);
      return config;
    };
    await run(orInputError(read), read);
  },
};

async function run(config: AgentConfig, read: () => AgentConfig): Promise<void> {
  const { values, origins, kubeProxy, overlay, warnings } = config;
  const log = openLog(values['log.level']);
  using _memory = new MemoryKeeper(log);
  const health = new HealthRegistry();
  const reloads = new ReloadStatus();
  let reload: (() => void) | undefined;
  let isAskedFor = false;
  // While the agent starts, the signal is kept for later instead of ending it.
  process.on('SIGHUP', () => {
    if (reload === undefined) isAskedFor = true;
    else reload();
  });
  log.info({ version: VERSION, program: selfCommand()[0] }, 'starting');
  for (const { where, problem } of warnings) log.warn({ where, problem }, 'configuration');
  const spawnWorker = workerSpawner('dns/udp-worker');
  const ended = Promise.withResolvers<Error | undefined>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping; the rules stay in place');
      ended.resolve(undefined);
    });
  }
  const agent = await Agent.start(
    {
      version: VERSION,
      sources: {
        ...sourceOptions(values),
        spawnDecoder: workerSpawner('cluster/decode-worker'),
      },
      kubeProxy,
      besideKubeProxy: values['proxy.besideKubeProxy'],
      dns: dnsOptions(values, origins),
      overlay,
      log,
      health,
      reloads,
      ...(spawnWorker === undefined ? {} : { spawnWorker }),
    },
    (error) => ended.resolve(error),
  );
  using reloader = followConfig({ config, read, agent, log, health, reloads });
  reload = () => {
    log.info('looking whether the configuration or the Corefile has changed');
    void reloader
      .reload()
      .then(() => agent.reload())
      .catch((error: unknown) => log.error({ error: String(error) }, 'reload failed'));
  };
  if (isAskedFor) reload();
  const failure = await ended.promise;
  reloader[Symbol.dispose]();
  await agent.stop();
  if (failure !== undefined) throw failure;
  log.info('stopped');
}
