/** What TCP clients may take of the server. */
export interface TcpLimits {
  readonly connectionsMax: number;
  /** Connections of one address. */
  readonly connectionsPerClientMax: number;
  /** Without a query for so long a connection is closed (RFC 7766 section 6.2.3). */
  readonly idleTimeoutMs: number;
  /** A message must be whole within so long of its first octet. */
  readonly messageTimeoutMs: number;
  /** Answers must be taken within so long. */
  readonly writeTimeoutMs: number;
  /** Queries of one connection that are being answered; more are not read until then. */
  readonly inFlightMax: number;
}

/** 10 s of idleness is CoreDNS's, too; the rest is generous to resolvers and tight for abuse. */
export const TCP_LIMITS: TcpLimits = {
  connectionsMax: 1000,
  connectionsPerClientMax: 100,
  idleTimeoutMs: 10_000,
  messageTimeoutMs: 5_000,
  writeTimeoutMs: 10_000,
  inFlightMax: 100,
};
