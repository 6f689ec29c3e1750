import type { CommandModule } from 'yargs';
import { readResolvConf } from '../../../dns/forward/resolv-conf.ts';
import { typeName, typeNumber } from '../../../dns/message/numbers.ts';
import { rcodeName } from '../../../dns/wire/constants.ts';
import { encodeName } from '../../../dns/wire/name.ts';
import { tryParseAddr } from '../../../ipaddr/parse-addr.ts';
import { reverseName } from '../../../ipaddr/reverse.ts';
import { formatJson } from '../../output.ts';
import { InputError } from '../../usage-error.ts';
import { type Exchanged, ExchangeError, exchange, type Server } from './exchange.ts';
import { type ShownRecord, showRecord } from './record-data.ts';

const RESOLV_CONF = '/etc/resolv.conf';
const DNS_PORT = 53;
const TIMEOUT_MS_MAX = 600_000;
const TRIES_MAX = 100;

interface Args {
  words: string[] | undefined;
  tcp: boolean;
  'timeout-ms': number;
  tries: number;
  json: boolean;
}

/** `podwire dns query` */
export const queryCommand: CommandModule<object, Args> = {
  command: 'query <words..>',
  describe: 'ask for NAME [TYPE] [@SERVER[:PORT]], and print the data of the answers',
  builder: (yargs) =>
    yargs
      .positional('words', {
        type: 'string',
        array: true,
        describe:
          'a name, or an address for its PTR; a type; a server, by default that of resolv.conf',
      })
      .option('tcp', { type: 'boolean', default: false, describe: 'ask by TCP at once' })
      .option('timeout-ms', { type: 'number', default: 2000, describe: 'to wait for an answer' })
      .option('tries', { type: 'number', default: 2, describe: 'by UDP' })
      .option('json', { type: 'boolean', default: false, describe: 'print the whole answer' })
      .check((args) => {
        checkRange('timeout-ms', args['timeout-ms'], TIMEOUT_MS_MAX);
        checkRange('tries', args.tries, TRIES_MAX);
        return true;
      })
      .example('podwire dns query web.default.svc.cluster.local AAAA @10.96.0.10', '')
      .epilogue('Exit status: 0 for an answer, 1 when there is none, 2 for what is no question.'),
  async handler({ words = [], tcp, tries, json, ...args }) {
    const { name, type, server } = parseWords(words);
    const options = { name, type, overTcp: tcp, tries, timeoutMs: args['timeout-ms'] };
    let exchanged: Exchanged;
    try {
      exchanged = await exchange(server, options);
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      throw new ExchangeError(`${formatServer(server)}: ${error.message}`);
    }
    const { packet } = exchanged;
    const answers = packet.answers.map(showRecord);
    const rcode = rcodeName(packet.header.rcode);
    if (json) process.stdout.write(formatJson(whole(server, exchanged, rcode, answers)));
    else for (const { data } of answers) process.stdout.write(`${data}\n`);
    if (rcode === 'NOERROR' && answers.length > 0) return;
    const what = rcode === 'NOERROR' ? `no ${typeName(type)} records there` : rcode;
    process.stderr.write(
      `podwire: ${name} ${typeName(type)}: ${what}, says ${formatServer(server)}\n`,
    );
    process.exitCode = 1;
  },
};

function checkRange(flag: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new Error(`--${flag}: expected a whole number from 1 to ${max}, got ${value}`);
}

interface Question {
  readonly name: string;
  readonly type: number;
  readonly server: Server;
}

/** Words in any order, as dig takes them: the one with `@` is the server, the first other the name. */
function parseWords(words: readonly string[]): Question {
  const servers = words.filter((word) => word.startsWith('@'));
  const [name, type, surplus] = words.filter((word) => !word.startsWith('@'));
  if (name === undefined) throw new InputError('query: expected a name');
  if (surplus !== undefined)
    throw new InputError(`query: expected one type, got also "${surplus}"`);
  if (servers.length > 1) {
    throw new InputError(`query: expected one server, got ${servers.join(' ')}`);
  }
  const address = tryParseAddr(name);
  const asked = address === undefined ? name : reverseName(address);
  try {
    encodeName(asked);
  } catch (error) {
    throw new InputError(`query: ${error instanceof Error ? error.message : String(error)}`);
  }
  const number = typeNumber(type ?? (address === undefined ? 'A' : 'PTR'));
  if (number === undefined) {
    throw new InputError(`query: expected a type such as A, SRV or TYPE65, got "${type}"`);
  }
  const [server] = servers;
  return {
    name: asked.length > 1 ? asked.replace(/\.$/, '') : asked,
    type: number,
    server: server === undefined ? systemServer() : parseServer(server.slice(1)),
  };
}

/** `10.96.0.10`, `10.96.0.10:5353`, `fd00::10` or `[fd00::10]:5353`. */
function parseServer(text: string): Server {
  const match = /^\[(.*)\](?::(\d+))?$/.exec(text) ?? /^([^:]*)(?::(\d+))?$/.exec(text) ?? [];
  const address = match[1] ?? text;
  const port = Number(match[2] ?? DNS_PORT);
  if (tryParseAddr(address) === undefined || port < 1 || port > 65_535) {
    throw new InputError(
      `query: expected @ and an address, perhaps with a port as in @10.96.0.10:53, got "@${text}"`,
    );
  }
  return { address, port };
}

function systemServer(): Server {
  let nameserver: ReturnType<typeof readResolvConf>['nameservers'][number] | undefined;
  try {
    [nameserver] = readResolvConf(RESOLV_CONF).nameservers;
  } catch (error) {
    throw new InputError(
      `${RESOLV_CONF}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (nameserver === undefined) {
    throw new InputError(`${RESOLV_CONF} names no server: expected one as @ADDRESS`);
  }
  return { address: nameserver.toString(), port: DNS_PORT };
}

function formatServer({ address, port }: Server): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The answer as JSON prints it. */
function whole(
  server: Server,
  { packet, transport, durationMs }: Exchanged,
  rcode: string,
  answers: readonly ShownRecord[],
): object {
  const { header, authorities, additionals } = packet;
  const flags = (['aa', 'tc', 'rd', 'ra'] as const).filter((flag) => header[flag] === 1);
  const [question] = packet.questions;
  return {
    server: formatServer(server),
    transport,
    durationMs: Math.round(durationMs * 1000) / 1000,
    name: question?.name ?? '',
    type: typeName(question?.type ?? 0),
    rcode,
    flags,
    answers,
    authorities: authorities.map(showRecord),
    // OPT is about the message and no record.
    additionals: additionals.map(showRecord).filter(({ type }) => type !== 'OPT'),
  };
}
