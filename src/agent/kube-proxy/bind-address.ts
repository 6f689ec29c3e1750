import { tryParseAddrLenient } from '../../ipaddr/parse-addr.ts';

/** Where a server listens. */
export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

const EXPECTED = 'expected an IP address and a port such as 127.0.0.1:10249 or [::1]:10249';
const WITH_PORT = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/;

/**
 * Reads `IP:port`, `[IP]:port`, or an IP address alone, which then gets the default port; empty is
 * undefined and says not to listen (kube-proxy's AppendPortIfNeeded). Throws an Error that says what
 * was expected.
 */
export function parseBindAddress(text: string, defaultPort: number): BindAddress | undefined {
  if (text === '') return undefined;
  const alone = tryParseAddrLenient(text.replace(/^\[(.*)\]$/, '$1'));
  if (alone !== undefined) return { host: String(alone), port: defaultPort };
  const [, inBrackets, bare, digits] = WITH_PORT.exec(text) ?? [];
  const addr = tryParseAddrLenient(inBrackets ?? bare ?? '');
  const port = Number(digits);
  if (addr === undefined || !(port >= 0 && port <= 65_535)) {
    throw new Error(`${EXPECTED}, got "${text}"`);
  }
  return { host: String(addr), port };
}
