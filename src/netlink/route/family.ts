const AF_INET = 2; // linux/socket.h
const AF_INET6 = 10;

/** AF_INET or AF_INET6 (linux/socket.h). */
export function addressFamily(family: 4 | 6): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/** The IP version of AF_INET or AF_INET6; undefined for any other family. */
export function ipVersion(family: number): 4 | 6 | undefined {
  if (family === AF_INET) return 4;
  return family === AF_INET6 ? 6 : undefined;
}
