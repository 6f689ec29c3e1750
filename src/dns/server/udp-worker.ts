import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { UdpBatchSocket } from '../../sys/udp-batch.ts';
import { Table } from '../table/table.ts';
import { Answerer, UDP_BYTES_MAX } from './answer.ts';
import { Counters } from './counters.ts';
import { CONTROL_GENERATION, CONTROL_STOP, type WorkerStart } from './worker-protocol.ts';

const BATCH_MAX = 64;
const DATAGRAM_BYTES_MAX = 4096;
const RECEIVE_BUFFER_BYTES = 8 << 20;
/** How long a new table or the order to stop may wait for an idle worker. */
const RECEIVE_TIMEOUT_MS = 50;

/*
 * One UDP worker: a thread of its own with a socket of its own, blocked in the kernel until queries
 * come, which it answers a batch at a time. It never returns to the event loop; what it is to know
 * comes through shared memory.
 */
const start = workerData as WorkerStart;
{
  using socket = UdpBatchSocket.open({
    address: start.address,
    port: start.port,
    batchMax: BATCH_MAX,
    datagramBytesMax: DATAGRAM_BYTES_MAX,
    replyBytesMax: UDP_BYTES_MAX,
    receiveBufferBytes: RECEIVE_BUFFER_BYTES,
    receiveTimeoutMs: RECEIVE_TIMEOUT_MS,
  });
  parentPort?.postMessage({ kind: 'listening', index: start.index, port: socket.port });
  serve(socket, new Int32Array(start.control));
}

function serve(udp: UdpBatchSocket, signals: Int32Array): void {
  const { index, counters, tables } = start;
  const answerer = new Answerer();
  const count = new Counters(counters);
  let table: Table | undefined;
  let generation = 0;
  while (Atomics.load(signals, CONTROL_STOP) === 0) {
    const received = udp.receive();
    if (Atomics.load(signals, CONTROL_GENERATION) !== generation) {
      // Messages queue up in order; the last one is the newest table.
      for (let next = receiveMessageOnPort(tables); next !== undefined; ) {
        const message = next.message as { generation: number; memory: SharedArrayBuffer };
        table = new Table(message.memory);
        ({ generation } = message);
        next = receiveMessageOnPort(tables);
      }
      parentPort?.postMessage({ kind: 'using', index, generation });
    }
    for (let at = 0; at < received; at += 1) {
      const reply = udp.replyBuffer(at);
      const length = answerer.answer(
        table,
        udp.requestBuffer(at),
        udp.requestLength(at),
        reply,
        false,
      );
      udp.setReply(at, length);
      if (length > 0) count.answered(answerer.rcode);
    }
    if (received > 0) udp.send();
    count.setDropped(udp.kernelDrops);
  }
  tables.close();
}
