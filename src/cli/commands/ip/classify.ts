import type { CommandModule } from 'yargs';
import type { Addr } from '../../../ipaddr/addr.ts';
import type { SpecialPurpose } from '../../../ipaddr/classify/block.ts';
import { classify } from '../../../ipaddr/classify/classify.ts';
import type { Embedded } from '../../../ipaddr/classify/embedded.ts';
import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import { parsePrefix } from '../../../ipaddr/prefix.ts';
import { type Role, roleIn } from '../../../ipaddr/subnet.ts';
import { type OutputFormat, outputOption } from '../../output.ts';
import { parseAll, readInputs } from './input.ts';
import { printRows } from './print.ts';

interface Args {
  address: string[] | undefined;
  in: string | undefined;
  output: OutputFormat;
}

/** `podwire ip classify` */
export const classifyCommand: CommandModule<object, Args> = {
  command: 'classify [address..]',
  describe: 'say what addresses are: class, private, loopback, multicast and so on',
  builder: (yargs) =>
    yargs
      .positional('address', { type: 'string', array: true, describe: 'IPv4 or IPv6 addresses' })
      .option('in', {
        type: 'string',
        describe: 'a prefix: what the addresses are in it, such as its broadcast address',
      })
      .option('output', outputOption)
      .example('podwire ip classify 10.1.2.3 fd00::1', ''),
  async handler({ address, in: whole, output }) {
    const roles = rolesIn(whole);
    const addrs = parseAll(await readInputs(address, 'addresses'), parseAddr);
    const all = addrs.map((addr) => ({
      address: `${addr}`,
      ...classify(addr),
      ...(whole === undefined ? {} : { role: roles(addr) }),
    }));
    const rows = all.map((each) => [
      each.address,
      `IPv${each.family}`,
      classText(each),
      each.isGlobal ? 'yes' : 'no',
      ...('role' in each ? [each.role ?? '-'] : []),
      each.blocks.map(({ name, source }) => `${name} (${source})`).join(', ') || 'ordinary',
    ]);
    const inIt = whole === undefined ? [] : [`IN ${whole}`];
    const head = ['ADDRESS', 'FAMILY', 'CLASS', 'GLOBAL', ...inIt, 'WHAT IT IS'];
    printRows(output, head, rows, () => all.map(toJson));
  },
};

/** What addresses are to a prefix; undefined for those that are not in it. */
function rolesIn(text: string | undefined): (addr: Addr) => Role | undefined {
  if (text === undefined) return () => undefined;
  const [prefix] = parseAll([text], parsePrefix);
  return (addr) => (prefix === undefined ? undefined : roleIn(prefix, addr));
}

type Classified = ReturnType<typeof classify>;

function classText({ addressClass, classPrefixBits }: Classified): string {
  if (addressClass === undefined) return '-';
  return classPrefixBits === undefined ? addressClass : `${addressClass} /${classPrefixBits}`;
}

/** Everything as values of JSON: addresses and prefixes as texts, and null for N/A of a registry. */
function toJson({ blocks, special, embedded, ...rest }: Classified): object {
  return {
    ...rest,
    special: specialToJson(special),
    blocks: blocks.map((block) => ({
      ...block,
      prefix: `${block.prefix}`,
      special: specialToJson(block.special),
    })),
    ...(embedded === undefined ? {} : { embedded: embeddedToJson(embedded) }),
  };
}

function specialToJson(special: SpecialPurpose | undefined): object | undefined {
  if (special === undefined) return undefined;
  return Object.fromEntries(Object.entries(special).map(([name, value]) => [name, value ?? null]));
}

function embeddedToJson({ embedding, addr, teredo }: Embedded): object {
  return {
    embedding,
    addr: `${addr}`,
    ...(teredo === undefined ? {} : { teredo: { ...teredo, server: `${teredo.server}` } }),
  };
}
