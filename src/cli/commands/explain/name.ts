import type { CommandModule } from 'yargs';
import { ManifestDirectory } from '../../../cluster/manifests/directory.ts';
import { Store } from '../../../cluster/store.ts';
import { explainName } from '../../../dns/explain/explain.ts';
import { KUBERNETES_ZONE_DEFAULTS, type PodsMode } from '../../../dns/zone/options.ts';
import { formatJson, formatTable, type OutputFormat, outputOption } from '../../output.ts';

interface Args {
  name: string | undefined;
  type: string | undefined;
  manifests: string;
  'cluster-domain': string;
  pods: PodsMode;
  output: OutputFormat;
}

/** `podwire explain name` */
export const nameCommand: CommandModule<object, Args> = {
  command: 'name <name>',
  describe: 'say what DNS gives for a name, and which objects and which rule are why',
  builder: (yargs) =>
    yargs
      .positional('name', { type: 'string', describe: 'such as web.default.svc.cluster.local' })
      .option('type', { type: 'string', describe: 'of records; A, or PTR for a name below arpa' })
      .option('manifests', {
        type: 'string',
        demandOption: true,
        describe: 'directory of Kubernetes YAML, as the agent has it',
      })
      .option('cluster-domain', {
        type: 'string',
        default: 'cluster.local',
        describe: 'the zone of Service names',
      })
      .option('pods', {
        choices: ['disabled', 'insecure', 'verified'] as const,
        default: 'disabled' as const,
        describe: 'which names pods have',
      })
      .option('output', outputOption)
      .example('podwire explain name web.default.svc.cluster.local --manifests examples/lab', ''),
  handler({ name = '', type, manifests, output, pods, ...args }) {
    const store = new Store();
    const { changed, errors } = new ManifestDirectory(manifests).scan();
    for (const error of errors) process.stderr.write(`podwire: ${error.message}\n`);
    store.update(changed);
    const zones = [args['cluster-domain'], 'in-addr.arpa', 'ip6.arpa'];
    const options = { ...KUBERNETES_ZONE_DEFAULTS, zones, pods };
    const usual = /\.arpa\.?$/i.test(name) ? 'PTR' : 'A';
    const explained = explainName(store, options, name, type ?? usual);
    if (output === 'json') {
      process.stdout.write(formatJson(explained));
      return;
    }
    const { rcode, answers, zone, objects: seen, rule, upstream } = explained;
    const rows = [
      ['answer', rcode],
      ...answers.map((answer) => ['', answer]),
      ['zone', zone ?? 'none of ours'],
      ['rule', rule],
      ...(seen.length > 0 ? seen : ['none']).map((object, at) => [
        at === 0 ? 'objects' : '',
        object,
      ]),
      ...(upstream === undefined ? [] : [['upstream', upstream]]),
    ];
    process.stdout.write(formatTable([explained.name, explained.type], rows));
  },
};
