import type { CommandModule } from 'yargs';
import { ManifestDirectory } from '../../../cluster/manifests/directory.ts';
import { Store } from '../../../cluster/store.ts';
import { readCorefile } from '../../../dns/corefile/parse.ts';
import { type CorefileNameExplanation, explainByCorefile } from '../../../dns/explain/corefile.ts';
import { explainName, type NameExplanation } from '../../../dns/explain/explain.ts';
import { configure } from '../../../dns/plugin/configure.ts';
import { KUBERNETES_ZONE_DEFAULTS, type PodsMode } from '../../../dns/zone/options.ts';
import { formatJson, formatTable, type OutputFormat, outputOption } from '../../output.ts';
import { InputError } from '../../usage-error.ts';

const AGENT_TIMEOUT_MS = 5_000;

interface Args {
  name: string | undefined;
  type: string | undefined;
  manifests: string | undefined;
  agent: string | undefined;
  corefile: string | undefined;
  'dns-port': number;
  'cluster-domain': string;
  pods: PodsMode;
  output: OutputFormat;
}

type Explanation = NameExplanation & Partial<CorefileNameExplanation>;

/** `podwire explain name` */
export const nameCommand: CommandModule<object, Args> = {
  command: 'name <name>',
  describe: 'say what DNS gives for a name, and which objects, rules and upstreams are why',
  builder: (yargs) =>
    yargs
      .positional('name', { type: 'string', describe: 'such as web.default.svc.cluster.local' })
      .option('type', { type: 'string', describe: 'of records; A, or PTR for a name below arpa' })
      .option('agent', {
        type: 'string',
        describe:
          "ask a running agent's metrics address, such as http://127.0.0.1:10249: it also knows what is cached and which upstreams are up",
      })
      .option('manifests', {
        type: 'string',
        describe: 'directory of Kubernetes YAML, as the agent has it',
      })
      .option('corefile', { type: 'string', describe: 'a Corefile, as the agent has it' })
      .option('dns-port', {
        type: 'number',
        default: 53,
        describe: "the port that is asked, and that of a Corefile's server blocks that name none",
      })
      .option('cluster-domain', {
        type: 'string',
        default: 'cluster.local',
        describe: 'the zone of Service names, without a Corefile',
      })
      .option('pods', {
        choices: ['disabled', 'insecure', 'verified'] as const,
        default: 'disabled' as const,
        describe: 'which names pods have, without a Corefile',
      })
      .option('output', outputOption)
      .check(({ agent, manifests, corefile }) => {
        if ((agent === undefined) === (manifests === undefined)) {
          throw new Error('expected either --manifests or --agent');
        }
        if (agent !== undefined && corefile !== undefined) {
          throw new Error('--corefile: expected it beside --manifests; an agent has its own');
        }
        return true;
      })
      .example('podwire explain name web.default.svc.cluster.local --manifests examples/lab', ''),
  async handler({ name = '', type, output, ...args }) {
    const usual = /\.arpa\.?$/i.test(name) ? 'PTR' : 'A';
    const explained =
      args.agent === undefined
        ? fromFiles(name, type ?? usual, args)
        : await fromAgent(args.agent, name, type ?? usual);
    process.stdout.write(output === 'json' ? formatJson(explained) : format(explained));
  },
};

function fromFiles(
  name: string,
  type: string,
  args: Omit<Args, 'name' | 'type' | 'output'>,
): Explanation {
  const store = new Store();
  const part = store.part();
  const directory = new ManifestDirectory(args.manifests ?? '');
  const { errors } = directory.scan((objects) => part.apply(objects, []));
  for (const error of errors) process.stderr.write(`podwire: ${error.message}\n`);
  const { corefile } = args;
  if (corefile !== undefined) {
    const parse = { environment: process.env, defaultPort: args['dns-port'] };
    const configuration = configure(readCorefile({ path: corefile }, parse));
    return explainByCorefile(store, configuration, args['dns-port'], name, type);
  }
  const zones = [args['cluster-domain'], 'in-addr.arpa', 'ip6.arpa'];
  const options = { ...KUBERNETES_ZONE_DEFAULTS, zones, pods: args.pods };
  return explainName(store, options, name, type);
}

async function fromAgent(agent: string, name: string, type: string): Promise<Explanation> {
  if (!URL.canParse('/explain/name', agent)) {
    throw new InputError(`--agent: expected a URL such as http://127.0.0.1:10249, got "${agent}"`);
  }
  const url = new URL('/explain/name', agent);
  url.search = `${new URLSearchParams({ name, type })}`;
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(AGENT_TIMEOUT_MS) });
  } catch (error) {
    const { message, cause } = error as Error;
    throw new Error(`${agent}: ${cause instanceof Error ? cause.message : message}`);
  }
  const text = await response.text();
  if (response.status === 400) throw new InputError(text.trim());
  if (!response.ok) throw new Error(`${agent}: ${response.status} ${text.trim()}`);
  return JSON.parse(text) as Explanation;
}

function format(explained: Explanation): string {
  const { rcode, answers, zone, objects, rule, upstream, block, before = [], now = [] } = explained;
  const listed = (title: string, all: readonly string[]): string[][] =>
    all.map((each, index) => [index === 0 ? title : '', each]);
  const rows = [
    ['answer', explained.isForwarded ? "the upstream's" : rcode],
    ...answers.map((answer) => ['', answer]),
    ...listed('block', block === undefined ? [] : [block]),
    ...listed('before', before),
    ['zone', zone ?? 'none of ours'],
    ['rule', rule],
    ...listed('objects', objects.length > 0 ? objects : ['none']),
    ...listed('upstream', upstream === undefined ? [] : [upstream]),
    ...listed('now', now),
  ];
  return formatTable([explained.name, explained.type], rows);
}
