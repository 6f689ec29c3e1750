import { Addr } from '../../../ipaddr/addr.ts';
import { tryParseAddr } from '../../../ipaddr/parse-addr.ts';
import { Prefix } from '../../../ipaddr/prefix.ts';
import type { Token } from '../../corefile/lexer.ts';
import type { Directive } from '../../corefile/parse.ts';
import { expectArgs, fail, oneArg, tryParseEndpoint, zonesOf } from '../../corefile/values.ts';
import { zoneOf } from '../../message/name.ts';
import type { DirectiveContext } from '../plugin.ts';

const HOSTS_MAX = 1_000;
const PORT = 53;
const EVERYBODY = [Prefix.of(Addr.v4(0), 0), Prefix.of(Addr.v6(0, 0, 0, 0), 0)];

/** Who may transfer the zones. */
export interface TransferList {
  readonly zones: readonly string[];
  readonly to: readonly Prefix[];
}

/** `transfer [ZONES...] { to HOST... }`, of which there may be several. */
export interface TransferConfig {
  readonly lists: readonly TransferList[];
}

export function parseTransfer(
  directives: readonly Directive[],
  context: DirectiveContext,
): TransferConfig {
  const lists = directives.map(({ name, args, body }) => {
    const to = (body ?? []).flatMap(parseLine);
    if (to.length === 0) fail(name, 'transfer: expected "to", and who may transfer the zones');
    if (to.length > HOSTS_MAX) fail(name, `transfer: expected at most ${HOSTS_MAX} hosts`);
    return { zones: zonesOf(args, context.zones), to };
  });
  return { lists };
}

/** Whether a client may transfer a zone: the list that names the longest zone holds. */
export function permitsTransfer({ lists }: TransferConfig, zone: string, client: Addr): boolean {
  let longest = '';
  let found: TransferList | undefined;
  for (const list of lists) {
    const own = zoneOf(zone, list.zones);
    if (own === undefined || own.length <= longest.length) continue;
    longest = own;
    found = list;
  }
  return found?.to.some((prefix) => prefix.contains(client)) ?? false;
}

function parseLine(line: Directive): readonly Prefix[] {
  switch (line.name.text) {
    case 'to':
      return expectArgs(line, 1, HOSTS_MAX).flatMap(parseHost);
    case 'source': {
      // Where CoreDNS sends NOTIFY from, which it never does for the cluster's zones.
      const token = oneArg(line);
      if (tryParseAddr(token.text) !== undefined) return [];
      return fail(token, `transfer: expected an IP address, got "${token.text}"`);
    }
    default:
      return fail(line.name, `transfer: expected to or source, got "${line.name.text}"`);
  }
}

/** The port is that of NOTIFY; who asks may do so from any. */
function parseHost(token: Token): readonly Prefix[] {
  if (token.text === '*') return EVERYBODY;
  const addr = tryParseEndpoint(token.text, PORT)?.addr.unmap();
  if (addr !== undefined) return [Prefix.of(addr, addr.bits)];
  return fail(token, `transfer: expected an IP address or *, got "${token.text}"`);
}
