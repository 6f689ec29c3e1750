import type { Addr } from '../../ipaddr/addr.ts';
import { tryParseAddr } from '../../ipaddr/parse-addr.ts';

/** An address as Node's sockets tell it; of an IPv4 client IPv4 also on a socket for both families. */
export function connectionAddress(text: string | undefined): Addr | undefined {
  return text === undefined ? undefined : tryParseAddr(text)?.unmap();
}
