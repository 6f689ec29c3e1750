import type { CommandModule } from 'yargs';
import { readCorefile } from '../../../dns/corefile/parse.ts';
import { CorefileError } from '../../../dns/corefile/position.ts';
import { inspect } from '../../../dns/plugin/configure.ts';
import {
  type BlockDescription,
  type CorefileDescription,
  describeCorefile,
  describeUnparsed,
} from '../../../dns/plugin/describe.ts';
import { formatJson, type OutputFormat, outputOption } from '../../output.ts';
import { InputError } from '../../usage-error.ts';

interface Args {
  corefile: string | undefined;
  'dns-port': number;
  output: OutputFormat;
}

/** `podwire dns check` */
export const checkCommand: CommandModule<object, Args> = {
  command: 'check <corefile>',
  describe: 'say what each server block of a Corefile will do, and what can not be taken',
  builder: (yargs) =>
    yargs
      .positional('corefile', { type: 'string', describe: "CoreDNS's configuration" })
      .option('dns-port', {
        type: 'number',
        default: 53,
        describe: 'port of server blocks that name none, as for the agent',
      })
      .option('output', outputOption)
      .epilogue(
        'Exit status: 0 when all of it can be taken, 1 when not, 2 for a file that can not be read.',
      ),
  handler({ corefile = '', output, ...args }) {
    const description = read(corefile, args['dns-port']);
    const isJson = output === 'json';
    process.stdout.write(isJson ? formatJson(description) : format(corefile, description));
    if (description.faults.length > 0) process.exitCode = 1;
  },
};

function read(path: string, defaultPort: number): CorefileDescription {
  try {
    return describeCorefile(
      inspect(readCorefile({ path }, { environment: process.env, defaultPort })),
    );
  } catch (error) {
    if (error instanceof CorefileError) return describeUnparsed(error);
    throw new InputError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function format(path: string, { blocks, faults }: CorefileDescription): string {
  const places = faults.map(
    ({ file, line, column, problem }) => `${file}:${line}:${column}: ${problem}\n`,
  );
  const count = faults.length;
  const verdict =
    count === 0
      ? `${path}: all of it can be taken\n`
      : `${path}: ${count} ${count === 1 ? 'fault' : 'faults'}, so nothing of it would be taken:\n`;
  return [...blocks.map((block) => `${formatBlock(path, block)}\n`), verdict, ...places].join('');
}

function formatBlock(
  path: string,
  { line, zones, path: by, why, plugins }: BlockDescription,
): string {
  const names = zones.map(({ zone, port }) => `${zone} port ${port}`).join(', ');
  const who =
    by === 'table'
      ? `threads answer names of the cluster at once: ${why}`
      : `every query goes through the plugins: ${why}`;
  const width = Math.max(0, ...plugins.map(({ name }) => name.length));
  const at = Math.max(0, ...plugins.map((each) => `${each.line}:${each.column}`.length));
  const lines = plugins.flatMap((plugin) => {
    const says = plugin.says.length === 0 ? [''] : plugin.says;
    return says.map((sentence, index) => {
      const place = index === 0 ? `${plugin.line}:${plugin.column}` : '';
      const name = index === 0 ? plugin.name : '';
      return `  ${place.padEnd(at)}  ${name.padEnd(width)}  ${sentence}`.trimEnd();
    });
  });
  return `${path}:${line}: ${names}\n  ${who}\n${lines.join('\n')}\n`;
}
