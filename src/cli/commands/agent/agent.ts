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
import { SystemdNotifier } from '../../../agent/systemd/notifier.ts';
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
  using manager = new SystemdNotifier(log);
  let reload: (() => Promise<void>) | undefined;
  let isAskedFor = false;
  const onReload = async (): Promise<void> => {
    if (reload === undefined) {
      // While the agent starts, that is kept for later.
      isAskedFor = true;
      return;
    }
    log.info('looking whether the configuration or the Corefile has changed');
    await manager.reloading(reload);
  };
  process.on('SIGHUP', () => {
    void onReload();
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
      adminSocket: values['http.adminSocket'] || undefined,
      onReload,
      ...(spawnWorker === undefined ? {} : { spawnWorker }),
    },
    (error) => ended.resolve(error),
  );
  using reloader = followConfig({ config, read, agent, log, health, reloads });
  reload = async () => {
    try {
      await reloader.reload();
      await agent.reload();
      health.report('reload-failed', undefined);
    } catch (error) {
      health.report('reload-failed', String(error));
      log.error({ error: String(error) }, 'reload failed');
    }
  };
  manager.ready(agent);
  if (isAskedFor) void onReload();
  const failure = await ended.promise;
  manager.stopping();
  // What is being changed would outlive what is stopped.
  await reloader.close();
  await agent.stop();
  if (failure !== undefined) throw failure;
  log.info('stopped');
}
