import type { CommandModule } from 'yargs';
import { Agent } from '../../../agent/agent.ts';
import type { AgentConfig } from '../../../agent/config/agent-config.ts';
import { readConfigFile } from '../../../agent/config/document.ts';
import { dnsOptions } from '../../../agent/config/settings.ts';
import { checkSources, sourceOptions } from '../../../agent/config/source-options.ts';
import { HealthRegistry } from '../../../agent/health/registry.ts';
import { openLog } from '../../../agent/log.ts';
import { MemoryKeeper } from '../../../agent/memory.ts';
import { SystemdNotifier } from '../../../agent/systemd/notifier.ts';
import { selfCommand, workerSpawner } from '../../self.ts';
import { VERSION } from '../../version.ts';

import { type AgentArgs, configOf, orInputError, withAgentFlags } from './options.ts';

/** `podwire agent` */
export const agentCommand: CommandModule<object, AgentArgs> = {
  command: 'agent',
  describe: 'run the daemon of this node: Service proxy and cluster DNS',
  builder: (yargs) =>
    withAgentFlags(yargs).epilogue(
      'PODWIRE_<FLAG> in the environment says the same as a flag, such as PODWIRE_LOG_LEVEL; flags go before it, and it goes before the file. SIGTERM stops the agent and leaves its rules in place; "podwire cleanup" removes them. SIGHUP has it read the Corefile again.',
    ),
  async handler(args) {
    const config = configOf(args);
    orInputError(() => checkSources(config.values));
    await run(config);
  },
};

async function run(config: AgentConfig): Promise<void> {
  const { values, origins, kubeProxy, overlay, warnings, files } = config;
  const log = openLog(values['log.level']);
  using _memory = new MemoryKeeper(log);
  let agent: Agent | undefined;
  let isChanged = false;
  const health = new HealthRegistry();
  using manager = new SystemdNotifier(log);
  const onReload = async (): Promise<void> => {
    log.info('looking whether the Corefile has changed');
    await manager.reloading(async () => {
      try {
        await agent?.reload();
        health.report('reload-failed', undefined);
      } catch (error) {
        health.report('reload-failed', String(error));
        log.error({ error: String(error) }, 'reload failed');
      }
    });
  };
  // While the agent starts, the signal is kept for later instead of ending it.
  process.on('SIGHUP', () => {
    if (agent === undefined) isChanged = true;
    else void onReload();
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
  for (const { file, text } of files) watchConfig(file, text, (error) => ended.resolve(error));
  agent = await Agent.start(
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
      adminSocket: values['http.adminSocket'] || undefined,
      onReload,
      ...(spawnWorker === undefined ? {} : { spawnWorker }),
    },
    (error) => ended.resolve(error),
  );
  manager.ready(agent);
  if (isChanged) void onReload();
  const failure = await ended.promise;
  manager.stopping();
  await agent.stop();
  if (failure !== undefined) throw failure;
  log.info('stopped');
}

const CONFIG_INTERVAL_MS = 5_000;

/** As kube-proxy does: another configuration is for another process, which whoever runs us starts. */
function watchConfig(file: string, before: string, onChange: (error: Error) => void): void {
  // By looks and not by events, for a mounted ConfigMap changes by a link far above the file.
  const look = setInterval(() => {
    let now: string;
    try {
      now = readConfigFile(file, '--config').text;
    } catch {
      // It is being written, or gone for good; what was read stays in force.
      return;
    }
    if (now === before) return;
    clearInterval(look);
    onChange(new Error(`--config: ${file} has changed`));
  }, CONFIG_INTERVAL_MS);
  look.unref();
}
