import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import type { Argv, CommandModule } from 'yargs';
import { runChecks } from '../../lab/checks.ts';
import { type LabOptions, labDown, labStatus, labUp } from '../../lab/lab.ts';
import { NODE, PODS } from '../../lab/layout.ts';
import { fetchOnce, resolveName, waitForEdit } from '../../lab/probe.ts';
import { serve } from '../../lab/serve.ts';
import { formatJson, formatTable, type OutputFormat, outputOption } from '../output.ts';
import { selfCommand } from '../self.ts';

interface UpArgs {
  examples: string;
  path: string;
  output: OutputFormat;
}

const pathOption = {
  type: 'string' as const,
  default: isSea() ? join(dirname(process.execPath), 'cni') : 'dist/cni',
  describe: 'directory of the CNI plugins',
};

function optionsOf({ path, examples }: { path: string; examples: string }): LabOptions {
  return {
    podwire: selfCommand(),
    pluginDirectory: path,
    examples,
    onStep: (text) => process.stderr.write(`  ${text}\n`),
  };
}

const up: CommandModule<object, UpArgs> = {
  command: 'up',
  describe: 'build the lab, check it from inside the pods, and leave it running',
  builder: (yargs) =>
    yargs
      .option('examples', {
        type: 'string',
        default: 'examples/lab',
        describe: 'directory of manifests and a conflist',
      })
      .option('path', pathOption)
      .option('output', outputOption),
  async handler(args) {
    const options = optionsOf(args);
    process.stderr.write('Building a node and two pods out of network namespaces:\n');
    await labUp(options);
    process.stderr.write('Checking from inside the pods:\n\n');
    const results = await runChecks(options.podwire);
    const failed = results.filter(({ held }) => !held).length;
    if (args.output === 'json') process.stdout.write(formatJson(results));
    else {
      const rows = results.map(({ name, held, seen }) => [held ? 'ok' : 'FAILED', name, seen]);
      process.stdout.write(formatTable(['RESULT', 'CHECK', 'SEEN'], rows));
      process.stdout.write(`\n${results.length - failed} of ${results.length} checks held.\n`);
    }
    process.stderr.write(NEXT);
    if (failed > 0) process.exitCode = 1;
  },
};

const NEXT = `
What to try next:
  ip netns exec ${NODE} nft list ruleset
  ip netns exec ${PODS[0].netns} dig +short web.default.svc.cluster.local @10.96.0.10
  edit /run/podwire-lab/manifests/web.yaml and ask again
  make lab-down
`;

const down: CommandModule<object, { path: string }> = {
  command: 'down',
  describe: 'take the lab down; nothing of it is left',
  builder: (yargs) => yargs.option('path', pathOption),
  async handler({ path }) {
    await labDown({ pluginDirectory: path });
  },
};

const status: CommandModule<object, { output: OutputFormat }> = {
  command: 'status',
  describe: 'show what there is of the lab',
  builder: (yargs) => yargs.option('output', outputOption),
  handler({ output }) {
    const all = labStatus();
    if (output === 'json') process.stdout.write(formatJson(all));
    else {
      const rows = all.map(({ name, exists, processes }) => [
        name,
        exists ? 'up' : 'absent',
        processes.join('; ') || '-',
      ]);
      process.stdout.write(formatTable(['NAMESPACE', 'STATE', 'PROCESSES'], rows));
    }
    if (!all.every(({ exists }) => exists)) process.exitCode = 1;
  },
};

/* What the lab starts inside its pods; of no use by hand. */

const serveCommand: CommandModule<object, { name: string; port: number }> = {
  command: 'serve',
  describe: false,
  builder: (yargs) =>
    yargs
      .option('name', { type: 'string', demandOption: true })
      .option('port', { type: 'number', demandOption: true }),
  async handler({ name, port }) {
    await serve(name, port);
  },
};

interface HttpArgs {
  url: string;
  tries: number;
}
interface DnsArgs {
  server: string;
  name: string;
  type: 'A' | 'AAAA' | 'SRV' | 'PTR';
  transport: 'udp' | 'tcp';
}
interface EditArgs {
  server: string;
  name: string;
  address: string;
}

const print = (values: Iterable<string>): boolean =>
  process.stdout.write(`${[...values].join(' ')}\n`);

const probeCommand: CommandModule = {
  command: 'probe <what>',
  describe: false,
  builder: (yargs) =>
    yargs
      .command<HttpArgs>({
        command: 'http <url> <tries>',
        builder: (args: Argv) => args as Argv<HttpArgs>,
        async handler({ url, tries }) {
          const seen = new Set<string>();
          for (let index = 0; index < tries; index += 1) seen.add(await fetchOnce(url));
          print([...seen].sort());
        },
      })
      .command<DnsArgs>({
        command: 'dns <server> <name> <type> <transport>',
        builder: (args: Argv) => args as Argv<DnsArgs>,
        async handler({ server, name, type, transport }) {
          print(await resolveName(server, name, type, transport === 'tcp'));
        },
      })
      .command<EditArgs>({
        command: 'edit <server> <name> <address>',
        builder: (args: Argv) => args as Argv<EditArgs>,
        async handler({ server, name, address }) {
          print(['waiting']);
          await waitForEdit(server, name, address);
        },
      }),
  handler() {},
};

/** `podwire lab` */
export const labCommand: CommandModule = {
  command: 'lab <command>',
  describe: 'a node and two pods on this machine, out of network namespaces',
  builder: (yargs) =>
    yargs
      .command(up)
      .command(down)
      .command(status)
      .command(serveCommand)
      .command(probeCommand)
      .demandCommand(1),
  handler() {},
};
