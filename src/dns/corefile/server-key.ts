import { parsePrefix } from '../../ipaddr/prefix.ts';
import { canonicalName, parseLabels } from '../message/name.ts';
import { reverseZonesOf } from '../zone/reverse-zones.ts';
import type { Token } from './lexer.ts';
import { CorefileError } from './position.ts';

/** What a server block answers for: the names of one zone, on one port. */
export interface ServerKey {
  /** In lower case and with the final dot. */
  readonly zone: string;
  readonly port: number;
}

/** Reads `[dns://]ZONE[:PORT]`, where a zone may be a prefix such as 10.0.0.0/16. Throws CorefileError. */
export function parseServerKeys(token: Token, defaultPort: number): ServerKey[] {
  const fail = (problem: string): never => {
    throw new CorefileError(token, `server block "${token.text}": ${problem}`);
  };
  let text = token.text;
  const scheme = /^([a-z0-9]+):\/\//.exec(text);
  if (scheme !== null) {
    if (scheme[1] !== 'dns') {
      fail(`expected dns:// or nothing, for "${scheme[1]}" is not served; UDP and TCP are`);
    }
    text = text.slice(scheme[0].length);
  }
  let port = defaultPort;
  const colon = /:([0-9]+)$/.exec(text);
  if (colon !== null) {
    port = Number(colon[1]);
    if (port > 65_535) fail(`expected a port up to 65535, got ${colon[1]}`);
    text = text.slice(0, colon.index);
  }
  return parseZones(token, text === '' ? '.' : text).map((zone) => ({ zone, port }));
}

/**
 * The canonical names a zone in a Corefile stands for: a name is itself, a prefix its reverse zones,
 * several where its length is between two labels. Throws CorefileError.
 */
export function parseZones(token: Token, text = token.text): string[] {
  if (text.includes('/')) return reverseZones(token, text);
  try {
    parseLabels(text);
  } catch (error) {
    throw new CorefileError(token, (error as Error).message);
  }
  return [canonicalName(text)];
}

function reverseZones(token: Token, text: string): string[] {
  let prefix: ReturnType<typeof parsePrefix>;
  try {
    prefix = parsePrefix(text);
  } catch (error) {
    throw new CorefileError(token, `expected a zone or a prefix: ${(error as Error).message}`);
  }
  return reverseZonesOf(prefix).map(canonicalName);
}
