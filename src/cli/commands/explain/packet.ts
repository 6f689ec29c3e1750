import { createSocket } from 'node:dgram';
import type { CommandModule } from 'yargs';
import { proxyOptionsOf } from '../../../agent/kube-proxy/settings.ts';
import type { Protocol } from '../../../cluster/objects.ts';
import type { Addr } from '../../../ipaddr/addr.ts';
import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import {
  type ExplainOptions,
  explainPacket,
  originOf,
  type PacketExplanation,
} from '../../../proxy/explain/explain.ts';
import { inspectRules } from '../../../proxy/iptables/inspect.ts';
import { nodeSettings } from '../../../proxy/iptables/node-rules.ts';
import type { LiveCheck } from '../../../proxy/live-check.ts';
import type { Packet } from '../../../proxy/model/trace.ts';
import { inspectPacket } from '../../../proxy/nftables/inspect.ts';
import { type PacketTrace, tracePacket } from '../../../proxy/nftables/packet-trace.ts';
import { InjectError } from '../../../proxy/nftables/probe-inject.ts';
import { nodeRulesIn, settingsIn } from '../../../proxy/options.ts';
import { formatJson, formatTable, type OutputFormat, outputOption } from '../../output.ts';
import { type AgentArgs, configOf, withAgentFlags } from '../agent/options.ts';
import { readSources } from '../sources.ts';

const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const;
const ORIGINS = ['pod', 'host', 'outside'] as const;

/** The subjects of the agent's flags that have a say. */
const SUBJECTS = ['sources', 'savedState', 'node', 'proxy', 'http'];

interface Args extends AgentArgs {
  destination: string | undefined;
  port: number | undefined;
  protocol: Protocol;
  source: string | undefined;
  from: Packet['origin'] | undefined;
  live: boolean;
  output: OutputFormat;
}

/** `podwire explain packet` */
export const packetCommand: CommandModule<object, Args> = {
  command: 'packet <destination> <port>',
  describe: 'say what the Service proxy does to a packet, and which objects and rules are why',
  builder: (yargs) =>
    withAgentFlags(yargs, SUBJECTS)
      .positional('destination', { type: 'string', describe: 'the address it is sent to' })
      .positional('port', { type: 'number', describe: 'and the port' })
      .option('protocol', {
        choices: PROTOCOLS,
        default: 'TCP' as const,
        coerce: (text: string) => text.toUpperCase() as Protocol,
        describe: 'how',
      })
      .option('source', {
        type: 'string',
        describe: "the address it comes from; by default the node's own on the way there",
      })
      .option('from', {
        choices: ORIGINS,
        describe: 'who sends it; by default as the source address tells',
      })
      .option('live', {
        type: 'boolean',
        default: false,
        describe:
          'compare with what the kernel has, and trace one: sent by the node, or put in as if from elsewhere and taken out again',
      })
      .option('output', outputOption)
      .check((args) => {
        packetOf(args);
        return true;
      })
      .example('podwire explain packet 10.96.0.20 80 --manifests examples/lab', ''),
  async handler(args) {
    const { values, kubeProxy } = configOf(args);
    const options = proxyOptionsOf(kubeProxy);
    const state = await readSources(values, kubeProxy);
    const { destination, port, protocol } = packetOf(args);
    const local = options.localAddrs();
    const explainOptions: ExplainOptions = {
      settings: settingsIn(state, options),
      node: nodeRulesIn(state, options),
      knowsClusterIPs: kubeProxy.mode === 'nftables',
      isLocal: (addr) => local.some((each) => each.equals(addr)),
    };
    const source =
      args.source === undefined ? await sourceFor(destination) : parseAddr(args.source);
    const origin = args.from ?? originOf(source, explainOptions);
    const packet: Packet = { source, destination, port, protocol, origin };
    const { explanation, trace, routes } = explainPacket(state, packet, explainOptions);
    if (!args.live) {
      process.stdout.write(args.output === 'json' ? formatJson(explanation) : format(explanation));
      return;
    }
    const { node } = explainOptions;
    const elements =
      kubeProxy.mode === 'iptables'
        ? inspectRules(destination.family, routes, nodeSettings(node))
        : inspectPacket(packet, trace, node);
    const traced = await traceOf(packet, explainOptions);
    if (elements.some(({ state: each }) => each !== 'same')) process.exitCode = 1;
    process.stdout.write(
      args.output === 'json'
        ? formatJson({
            ...explanation,
            live: {
              elements,
              trace: typeof traced === 'string' ? null : traced,
              untraced: typeof traced === 'string' ? traced : null,
            },
          })
        : `${format(explanation)}\n${formatElements(elements)}\n${formatTrace(traced)}`,
    );
  },
};

const PORT_MAX = 65_535;

/** Throws an Error that names what is wrong. */
function packetOf({
  destination = '',
  port = 0,
  protocol,
  source,
}: Args): Pick<Packet, 'destination' | 'port' | 'protocol'> {
  const to = parseAddr(destination);
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) {
    throw new Error(`port: expected a whole number from 1 to ${PORT_MAX}, got ${port}`);
  }
  if (source !== undefined && parseAddr(source).family !== to.family) {
    throw new Error(`--source: expected an IPv${to.family} address like ${to}, got "${source}"`);
  }
  return { destination: to, port, protocol };
}

/** The address the kernel would send from, by connecting a socket, for which nothing is sent. */
async function sourceFor(destination: Addr): Promise<Addr> {
  const socket = createSocket(destination.family === 6 ? 'udp6' : 'udp4');
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  socket.once('error', reject);
  socket.connect(9, `${destination}`, () => resolve(socket.address().address));
  try {
    return parseAddr(await promise);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `--source: expected an address, for this node has no way to ${destination} (${reason})`,
    );
  } finally {
    socket.close();
  }
}

function format({ packet, verdict, steps }: PacketExplanation): string {
  const { source, destination, protocol, port, from } = packet;
  const to = destination.includes(':') ? `[${destination}]:${port}` : `${destination}:${port}`;
  const title = `${source} to ${to}/${protocol}, from ${from}: ${verdict}`;
  const rows = steps.map(({ what, says }) => [what, says]);
  return `${title}\n\n${formatTable(['WHAT', 'SAYS'], rows)}`;
}

function formatElements(elements: readonly LiveCheck[]): string {
  const rows = elements.map(({ set, element, state, wanted = '-', actual = '-' }) => [
    state,
    set,
    element,
    wanted,
    actual,
  ]);
  return formatTable(['STATE', 'SET', 'ELEMENT', 'WANTED', 'IN THE KERNEL'], rows);
}

/** The packet's way through the kernel, or why it can't be told. */
async function traceOf(
  packet: Packet,
  { settings, isLocal }: ExplainOptions,
): Promise<PacketTrace | string> {
  if (packet.origin === 'host' && !isLocal(packet.source)) {
    return `${packet.source} is none of this node's addresses`;
  }
  try {
    const traced = await tracePacket(packet, settings.detector);
    return traced ?? 'the node itself sends TCP and UDP only';
  } catch (error) {
    if (error instanceof InjectError) return error.message;
    throw error;
  }
}

function formatTrace(traced: PacketTrace | string): string {
  if (typeof traced === 'string') return `Not traced: ${traced}\n`;
  const rows = traced.steps.map(({ table, chain, rule, verdict }) => [table, chain, rule, verdict]);
  return `${formatTable(['TABLE', 'CHAIN', 'RULE', 'VERDICT'], rows)}\nThe probe: ${traced.outcome}\n`;
}
