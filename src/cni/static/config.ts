import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';
import { type Prefix, tryParsePrefix } from '../../ipaddr/prefix.ts';
import { CNI_CODE, CniError } from '../protocol/error.ts';
import type { Fields } from '../protocol/fields.ts';
import { checkOnePerFamily, ipamFields, requestedIps } from '../protocol/ipam.ts';
import type { Call } from '../protocol/plugin.ts';
import type { Dns, ResultIp, ResultRoute } from '../protocol/result.ts';
import { decodeDns, decodeRoutes } from '../protocol/result-decode.ts';

const EXPECTED = 'an address and prefix length such as 10.1.2.3/24';

/** What ADD gives. */
export interface StaticConfig {
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: Dns;
}

/**
 * Reads `ipam` and what is asked for elsewhere: `runtimeConfig.ips`, else `args.cni.ips`, else
 * `ipam.addresses` and `IP` of CNI_ARGS together. Throws CniError.
 */
export function parseStatic(call: Call): StaticConfig {
  const ipam = ipamFields(call);
  const { env, envGateway, args, runtime } = requestedIps(call);
  // What is not a prefix is refused even where something else comes before it, as the reference does.
  const fromEnv = withGateways(parseEnv(env), envGateway);
  const fromArgs = args.map((text, index) => parseEntry(text, `args.cni.ips[${index}]`));
  const fromRuntime = runtime.map((text, index) => parseEntry(text, `runtimeConfig.ips[${index}]`));
  const [asked] = [fromRuntime, fromArgs].filter((each) => each.length > 0);
  const ips = asked ?? [...ipam.objects('addresses').map(parseAddress), ...fromEnv];
  checkOnePerFamily(
    call.config.version,
    ips.map(({ address }) => address.addr.family),
  );
  return { ips, routes: decodeRoutes(ipam), dns: decodeDns(ipam.object('dns')) };
}

/** An item of `ipam.addresses`. */
function parseAddress(item: Fields): ResultIp {
  const text = item.string('address') ?? '';
  const address = tryParsePrefix(text);
  if (address === undefined) {
    const { message } = item.wrong('address', EXPECTED, text);
    throw notCidr("the 'address' field is expected to be", text, message);
  }
  const gateway = item.addr('gateway');
  if (gateway !== undefined && gateway.family !== address.addr.family) {
    throw item.wrong('gateway', `an address of the family of ${address}`, `${gateway}`);
  }
  return { address, gateway };
}

/** `IP` of CNI_ARGS. */
function parseEnv(text: string | undefined): Prefix[] {
  return (text?.split(',') ?? []).map((item) => {
    const trimmed = item.trim();
    const prefix = tryParsePrefix(trimmed);
    if (prefix !== undefined) return prefix;
    throw notCidr(
      "the 'ip' field is expected to be",
      trimmed,
      `IP of CNI_ARGS: expected ${EXPECTED}`,
    );
  });
}

/** An item of `args.cni.ips` or `runtimeConfig.ips`. */
function parseEntry(text: string, place: string): ResultIp {
  const address = tryParsePrefix(text);
  if (address !== undefined) return { address };
  throw notCidr("an entry in the 'ips' field is NOT", text, `${place}: expected ${EXPECTED}`);
}

/** Each gateway belongs to the addresses in whose prefix it is; where there are several, the last. */
function withGateways(prefixes: readonly Prefix[], text: string | undefined): ResultIp[] {
  const gateways = (text?.split(',') ?? []).map((item): Addr => {
    const addr = tryParseAddr(item.trim());
    if (addr !== undefined) return addr;
    const message = `invalid gateway address: ${item}`;
    const details = 'GATEWAY of CNI_ARGS: expected addresses with commas between them';
    throw new CniError(CNI_CODE.invalidConfig, message, details);
  });
  return prefixes.map((address) => ({
    address,
    gateway: gateways.findLast((each) => address.contains(each)),
  }));
}

function notCidr(what: string, text: string, details: string): CniError {
  const message = `${what} in CIDR notation, got: '${text}'`;
  return new CniError(CNI_CODE.invalidConfig, message, details);
}
