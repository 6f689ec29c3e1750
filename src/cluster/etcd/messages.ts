import type { Message } from './protobuf.ts';

/*
 * The messages of etcd 3 that are spoken here: etcd/api/etcdserverpb/rpc.proto and mvccpb/kv.proto, by the
 * numbers they have there.
 */

const HEADER = { clusterId: [1, 'int64'], revision: [3, 'int64'] } as const satisfies Message;

const KEY_VALUE = {
  key: [1, 'bytes'],
  createRevision: [2, 'int64'],
  modRevision: [3, 'int64'],
  value: [5, 'bytes'],
  lease: [6, 'int64'],
} as const satisfies Message;

/** Event.EventType. */
export const EVENT_DELETE = 1;

const EVENT = { type: [1, 'enum'], kv: [2, KEY_VALUE] } as const satisfies Message;

const RANGE_REQUEST = {
  key: [1, 'bytes'],
  rangeEnd: [2, 'bytes'],
  limit: [3, 'int64'],
  revision: [4, 'int64'],
  countOnly: [9, 'bool'],
} as const satisfies Message;

const RANGE_RESPONSE = {
  header: [1, HEADER],
  kvs: [2, KEY_VALUE, 'repeated'],
  more: [3, 'bool'],
  count: [4, 'int64'],
} as const satisfies Message;

const PUT_REQUEST = {
  key: [1, 'bytes'],
  value: [2, 'bytes'],
  lease: [3, 'int64'],
  prevKv: [4, 'bool'],
} as const satisfies Message;

const DELETE_REQUEST = { key: [1, 'bytes'] } as const satisfies Message;

/** Compare.CompareTarget: the revision at which a key was made, 0 for one that is not there; and its value. */
export const COMPARE_CREATE = 1;
export const COMPARE_VALUE = 3;

const COMPARE = {
  target: [2, 'enum'],
  key: [3, 'bytes'],
  createRevision: [5, 'int64'],
  value: [7, 'bytes'],
} as const satisfies Message;

const REQUEST_OP = {
  range: [1, RANGE_REQUEST],
  put: [2, PUT_REQUEST],
  deleteRange: [3, DELETE_REQUEST],
} as const satisfies Message;

const RESPONSE_OP = {
  range: [1, RANGE_RESPONSE],
  put: [2, { prevKv: [2, KEY_VALUE] }],
  deleteRange: [3, { deleted: [2, 'int64'] }],
} as const satisfies Message;

const WATCH_REQUEST = {
  create: [
    1,
    {
      key: [1, 'bytes'],
      rangeEnd: [2, 'bytes'],
      startRevision: [3, 'int64'],
      progressNotify: [4, 'bool'],
      fragment: [8, 'bool'],
    },
  ],
  progress: [3, {}],
} as const satisfies Message;

const WATCH_RESPONSE = {
  header: [1, HEADER],
  watchId: [2, 'int64'],
  created: [3, 'bool'],
  canceled: [4, 'bool'],
  compactRevision: [5, 'int64'],
  cancelReason: [6, 'string'],
  fragment: [7, 'bool'],
  events: [11, EVENT, 'repeated'],
} as const satisfies Message;

const LEASE = { ttlSeconds: [1, 'int64'] } as const satisfies Message;
const LEASE_ID = { id: [1, 'int64'] } as const satisfies Message;
const LEASE_STATE = { id: [2, 'int64'], ttlSeconds: [3, 'int64'] } as const satisfies Message;

/** A procedure: where it is, what it takes and what it gives. */
export interface Method<Request extends Message = Message, Response extends Message = Message> {
  readonly path: string;
  readonly request: Request;
  readonly response: Response;
  /** Whether it may be called again when it is not known whether it was done. */
  readonly isRepeatable: boolean;
}

const method = <Request extends Message, Response extends Message>(
  path: string,
  request: Request,
  response: Response,
  isRepeatable = false,
): Method<Request, Response> => ({
  path: `/etcdserverpb.${path}`,
  request,
  response,
  isRepeatable,
});

/** The procedures of etcd that are called. */
export const RANGE = method('KV/Range', RANGE_REQUEST, RANGE_RESPONSE, true);
export const TXN = method(
  'KV/Txn',
  {
    compare: [1, COMPARE, 'repeated'],
    success: [2, REQUEST_OP, 'repeated'],
    failure: [3, REQUEST_OP, 'repeated'],
  },
  { succeeded: [2, 'bool'], responses: [3, RESPONSE_OP, 'repeated'] },
);
export const WATCH = method('Watch/Watch', WATCH_REQUEST, WATCH_RESPONSE);
/** A lease that nobody keeps alive ends, so one too many is no harm. */
export const LEASE_GRANT = method('Lease/LeaseGrant', LEASE, LEASE_STATE, true);
export const LEASE_KEEP_ALIVE = method('Lease/LeaseKeepAlive', LEASE_ID, LEASE_STATE);
export const AUTHENTICATE = method(
  'Auth/Authenticate',
  { name: [1, 'string'], password: [2, 'string'] },
  { token: [2, 'string'] },
  true,
);
