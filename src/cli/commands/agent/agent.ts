import { availableParallelism } from 'node:os';
import type { CommandModule } from 'yargs';
import { Agent } from '../../../agent/agent.ts';
import { LOG_LEVELS, openLog } from '../../../agent/log.ts';
import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import { selfCommand, workerSpawner } from '../../self.ts';
import { VERSION } from '../../version.ts';
import { bindAddresses, type ProxyArgs, proxyOptions, withProxyFlags } from './proxy-options.ts';

interface Args extends ProxyArgs {
  manifests: string;
  'cluster-domain': string;
  'dns-address': string;
  'dns-port': number;
  'dns-workers': number;
  'dns-ttl': number;
  'dns-node-local': string[];
  'log-level': string;
}

/** `podwire agent` */
export const agentCommand: CommandModule<object, Args> = {
  command: 'agent',
  describe: 'run the daemon of this node: Service proxy and cluster DNS',
  builder: (yargs) =>
    withProxyFlags(yargs)
      .option('manifests', {
        type: 'string',
        demandOption: true,
        describe: 'directory of Kubernetes YAML with Services and EndpointSlices',
      })
      .option('cluster-domain', {
        type: 'string',
        default: 'cluster.local',
        describe: 'the zone of Service names',
      })
      .option('dns-address', {
        type: 'string',
        default: '::',
        describe: 'address to answer DNS on',
      })
      .option('dns-port', { type: 'number', default: 53, describe: 'port to answer DNS on' })
      .option('dns-workers', {
        type: 'number',
        default: availableParallelism(),
        describe: 'DNS threads',
      })
      .option('dns-ttl', { type: 'number', default: 5, describe: 'TTL of records in seconds' })
      .option('dns-node-local', {
        type: 'string',
        array: true,
        default: [],
        describe: 'addresses to answer DNS on instead, which this node takes over',
      })
      .option('log-level', { choices: LOG_LEVELS, default: 'info', describe: 'what to log' })
      .check((args) => {
        if (args.manifests === '') throw new Error('--manifests: expected a directory, got ""');
        proxyOptions(args);
        for (const text of args['dns-node-local']) parseAddr(text);
        checkRange('dns-port', args['dns-port'], 0, 65_535);
        bindAddresses(args);
        checkRange('dns-workers', args['dns-workers'], 1, 256);
        checkRange('dns-ttl', args['dns-ttl'], 0, 3600);
        return true;
      })
      .epilogue(
        'SIGTERM stops the agent and leaves its rules in place; "podwire cleanup" removes them.',
      ),
  handler: run,
};

function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new Error(`--${name}: expected a whole number from ${min} to ${max}, got ${value}`);
}

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
      clusterDomain: args['cluster-domain'],
      dnsAddress: args['dns-address'],
      dnsPort: args['dns-port'],
      dnsWorkers: args['dns-workers'],
      dnsTtlSeconds: args['dns-ttl'],
      dnsNodeLocal: args['dns-node-local'].map(parseAddr),
      ...bindAddresses(args),
      log,
      ...(spawnWorker === undefined ? {} : { spawnWorker }),
    },
    (error) => ended.resolve(error),
  );
  const failure = await ended.promise;
  await agent.stop();
  if (failure !== undefined) throw failure;
  log.info('stopped');
}
