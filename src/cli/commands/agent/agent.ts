import type { CommandModule } from 'yargs';
import { Agent } from '../../../agent/agent.ts';
import { LOG_LEVELS, openLog } from '../../../agent/log.ts';
import { selfCommand, workerSpawner } from '../../self.ts';
import { VERSION } from '../../version.ts';
import { type DnsArgs, dnsOptions, withDnsFlags } from './dns-options.ts';
import { bindAddresses, type ProxyArgs, proxyOptions, withProxyFlags } from './proxy-options.ts';

interface Args extends ProxyArgs, DnsArgs {
  manifests: string;
  'log-level': string;
}

/** `podwire agent` */
export const agentCommand: CommandModule<object, Args> = {
  command: 'agent',
  describe: 'run the daemon of this node: Service proxy and cluster DNS',
  builder: (yargs) =>
    withDnsFlags(withProxyFlags(yargs))
      .option('manifests', {
        type: 'string',
        demandOption: true,
        describe: 'directory of Kubernetes YAML with Services and EndpointSlices',
      })
      .option('log-level', { choices: LOG_LEVELS, default: 'info', describe: 'what to log' })
      .check((args) => {
        if (args.manifests === '') throw new Error('--manifests: expected a directory, got ""');
        proxyOptions(args);
        dnsOptions(args);
        bindAddresses(args);
        return true;
      })
      .epilogue(
        'SIGTERM stops the agent and leaves its rules in place; "podwire cleanup" removes them. SIGHUP has it read the Corefile again.',
      ),
  handler: run,
};

async function run(args: Args): Promise<void> {
  const log = openLog(args['log-level']);
  log.info({ version: VERSION, program: selfCommand()[0] }, 'starting');
  const spawnWorker = workerSpawner();
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
      manifests: args.manifests,
      proxy: proxyOptions(args),
      dns: dnsOptions(args),
      ...bindAddresses(args),
      log,
      ...(spawnWorker === undefined ? {} : { spawnWorker }),
    },
    (error) => ended.resolve(error),
  );
  process.on('SIGHUP', () => {
    log.info('looking whether the Corefile has changed');
    agent.reload().catch((error: unknown) => log.error({ error: String(error) }, 'reload failed'));
  });
  const failure = await ended.promise;
  await agent.stop();
  if (failure !== undefined) throw failure;
  log.info('stopped');
}
