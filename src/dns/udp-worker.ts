import { workerData } from 'node:worker_threads';
import { openSharedAnswers } from './cache/shared-reader.ts';
import { runUdpWorker } from './server/udp-worker.ts';
import type { WorkerStart } from './server/worker-protocol.ts';

/* Where each UDP thread of the DNS server begins. */
runUdpWorker(workerData as WorkerStart, openSharedAnswers);
