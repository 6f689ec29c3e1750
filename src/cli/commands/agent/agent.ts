import type { CommandModule } from 'yargs';
import { ADMIN_SOCKET } from '../../../agent/admin/socket.ts';
import { Agent } from '../../../agent/agent.ts';
import { HealthRegistry } from '../../../agent/health/registry.ts';
import { LOG_LEVELS, openLog } from '../../../agent/log.ts';
import { MemoryKeeper } from '../../../agent/memory.ts';
import { SystemdNotifier } from '../../../agent/systemd/notifier.ts';
import { selfCommand, workerSpawner } from '../../self.ts';
import { VERSION } from '../../version.ts';
import { type DnsArgs, dnsOptions, withDnsFlags } from './dns-options.ts';
import { type ProxyArgs, proxySettings, readConfig, withProxyFlags } from './proxy-options.ts';
import {
  checkSources,
  hasFlags,
  type SourceArgs,
  sourceOptions,
  withSourceFlags,
} from './source-options.ts';

interface Args extends ProxyArgs, DnsArgs, SourceArgs {
  'beside-kube-proxy': boolean;
  'log-level': string;
  'admin-socket': string;
}

/** `podwire agent` */
export const agentCommand: CommandModule<object, Args> = {
  command: 'agent',
  describe: 'run the daemon of this node: Service proxy and cluster DNS',
  builder: (yargs) =>
    withSourceFlags(withDnsFlags(withProxyFlags(yargs)))
      .option('beside-kube-proxy', {
        type: 'boolean',
        default: false,
        describe: 'start though kube-proxy runs on this node, which then decides some connections',
      })
      .option('admin-socket', {
        type: 'string',
        default: ADMIN_SOCKET,
        describe: 'Unix socket on which root may ask, as "podwire status" does; "" for none',
      })
      .option('log-level', { choices: LOG_LEVELS, default: 'info', describe: 'what to log' })
      .check((args) => {
        checkSources(args, proxySettings(args, []).settings.kubeconfig);
        dnsOptions(args);
        return true;
      })
      .epilogue(
        'SIGTERM stops the agent and leaves its rules in place; "podwire cleanup" removes them. SIGHUP has it read the Corefile again.',
      ),
  handler: run,
};

async function run(args: Args): Promise<void> {
  const log = openLog(args['log-level']);
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
  const { settings, unused, passedOver, text } = proxySettings(args, process.argv);
  const { config } = args;
  for (const { field, line } of unused) {
    log.warn({ config, line, field }, 'a field of the configuration is not used');
  }
  if (settings.kubeconfig !== '' && hasFlags(args)) {
    const field = 'clientConnection.kubeconfig';
    log.warn({ config, field }, 'flags say where objects come from, and not the configuration');
  }
  for (const flag of passedOver)
    log.warn({ config, flag: `--${flag}` }, '--config takes its place');
  const spawnWorker = workerSpawner('dns/udp-worker');
  const ended = Promise.withResolvers<Error | undefined>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info({ signal }, 'stopping; the rules stay in place');
      ended.resolve(undefined);
    });
  }
  if (config !== undefined) watchConfig(config, text, (error) => ended.resolve(error));
  agent = await Agent.start(
    {
      version: VERSION,
      sources: {
        ...sourceOptions(args, settings.kubeconfig),
        spawnDecoder: workerSpawner('cluster/decode-worker'),
      },
      kubeProxy: settings,
      besideKubeProxy: args['beside-kube-proxy'],
      dns: dnsOptions(args),
      log,
      health,
      adminSocket: args['admin-socket'] === '' ? undefined : args['admin-socket'],
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
      now = readConfig(file);
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
