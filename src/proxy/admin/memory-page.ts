import { type AdminPage, jsonReply } from './contract.ts';

export const memoryPage: AdminPage = {
  path: '/memory',
  method: 'GET',
  help: 'print current allocation/heap usage',
  answer() {
    const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
    return jsonReply({
      allocated: String(heapUsed + external),
      heap_size: String(heapTotal + external),
      pageheap_unmapped: '0',
      pageheap_free: String(heapTotal - heapUsed),
      total_thread_cache: '0',
      total_physical_bytes: String(rss),
    });
  },
};
