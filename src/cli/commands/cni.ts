import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { isObject } from '../../cni/protocol/fields.ts';
import { loadNetworkList, type NetworkList } from '../../cni/runner/conflist.ts';
import { type AttachmentRequest, Runner } from '../../cni/runner/runner.ts';
import { formatJson } from '../output.ts';

interface Args {
  network: string;
  netns?: string | undefined;
  ifname: string;
  'container-id'?: string | undefined;
  args: string;
  capabilities: Readonly<Record<string, unknown>>;
  path: string;
  'conf-dir': string;
  'cache-dir': string;
}

/** What cnitool calls a namespace it is given no container for. */
function defaultContainerId(netns: string): string {
  return `cnitool-${createHash('sha512').update(netns).digest('hex').slice(0, 20)}`;
}

function parseCapabilities(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Said below, for what is no JSON and for what is no object alike.
  }
  throw new Error(`--capabilities: expected a JSON object, got ${text}`);
}

function options(yargs: Argv): Argv<Args> {
  return yargs
    .positional('network', {
      type: 'string',
      demandOption: true,
      describe: 'name of a network in the configuration directory, or the path of a file',
    })
    .positional('netns', { type: 'string', describe: 'path of the network namespace' })
    .option('ifname', {
      type: 'string',
      default: process.env.CNI_IFNAME ?? 'eth0',
      describe: 'name of the interface in the namespace',
    })
    .option('container-id', { type: 'string', describe: 'by default one made of the namespace' })
    .option('args', { type: 'string', default: process.env.CNI_ARGS ?? '', describe: 'CNI_ARGS' })
    .option('capabilities', {
      type: 'string',
      default: process.env.CAP_ARGS ?? '{}',
      describe: 'values for capabilities, as JSON',
      coerce: parseCapabilities,
    })
    .option('path', {
      type: 'string',
      default: process.env.CNI_PATH ?? join(dirname(process.execPath), 'cni'),
      describe: 'directories of plugins, with colons between',
    })
    .option('conf-dir', {
      type: 'string',
      default: process.env.NETCONFPATH ?? '/etc/cni/net.d',
      describe: 'directory of network configurations',
    })
    .option('cache-dir', {
      type: 'string',
      default: '/var/lib/cni',
      describe: 'where results are kept between add and del',
    });
}

function verb(
  name: string,
  describe: string,
  run: (runner: Runner, list: NetworkList, request: AttachmentRequest) => void,
): CommandModule<object, Args> {
  const needsNetns = name !== 'gc';
  return {
    command: needsNetns ? `${name} <network> <netns>` : `${name} <network>`,
    describe,
    builder: options,
    handler(args) {
      const list = loadNetworkList(args.network, args['conf-dir']);
      const runner = new Runner({ path: args.path.split(':'), cacheDir: args['cache-dir'] });
      const netns = args.netns ?? '';
      run(runner, list, {
        containerId: args['container-id'] ?? defaultContainerId(netns),
        ifName: args.ifname,
        netns,
        args: args.args,
        capabilities: args.capabilities,
      });
    },
  };
}

/** `podwire cni` */
export const cniCommand: CommandModule = {
  command: 'cni <command>',
  describe: 'run a network configuration as a container runtime does',
  builder: (yargs) =>
    yargs
      .command(
        verb('add', 'attach a namespace and print the result', (runner, list, request) => {
          process.stdout.write(formatJson(runner.add(list, request)));
        }),
      )
      .command(
        verb('del', 'detach a namespace', (runner, list, request) => runner.del(list, request)),
      )
      .command(
        verb('check', 'check an attachment', (runner, list, request) =>
          runner.check(list, request),
        ),
      )
      .command(
        verb('gc', 'remove all attachments of the network', (runner, list) => runner.gc(list, [])),
      )
      .demandCommand(1),
  handler() {},
};
