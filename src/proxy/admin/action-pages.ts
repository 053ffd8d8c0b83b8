/** The pages that change something: POST only, as in Envoy. */
import { inSlices } from '#core/time-slice.ts';
import { type AdminPage, type AdminReply, ok, textReply } from './contract.ts';

export const actionPages: readonly AdminPage[] = [
  {
    path: '/drain_listeners',
    method: 'POST',
    help: 'drain listeners',
    parameters: {
      graceful: 'end connections with their responses for the drain time, and close listeners then',
      skip_exit: 'do not close listeners; together with graceful',
      inboundonly: 'drain listeners whose traffic_direction is INBOUND',
    },
    async answer(query, { actions }): Promise<AdminReply> {
      if (query.has('skip_exit') && !query.has('graceful'))
        return textReply('skip_exit requires graceful\n', 400);
      const drained = actions.drainListeners({
        graceful: query.has('graceful'),
        inboundOnly: query.has('inboundonly'),
        skipExit: query.has('skip_exit'),
      });
      if (!query.has('graceful')) await drained;
      return ok;
    },
  },
  {
    path: '/healthcheck/fail',
    method: 'POST',
    help: 'cause the server to fail health checks',
    answer(_, { actions }): AdminReply {
      actions.setHealthFailed(true);
      return ok;
    },
  },
  {
    path: '/healthcheck/ok',
    method: 'POST',
    help: 'cause the server to pass health checks',
    answer(_, { actions }): AdminReply {
      actions.setHealthFailed(false);
      return ok;
    },
  },
  {
    path: '/hot_restart',
    method: 'POST',
    help: 'have a new process take the place of this one',
    async answer(_, { actions }): Promise<AdminReply> {
      const outcome = await actions.hotRestart();
      if (outcome.ok) return textReply(`process ${outcome.pid} serves\n`);
      return textReply(`no other process serves: ${outcome.reason}\n`, 503);
    },
  },
  {
    path: '/quitquitquit',
    method: 'POST',
    help: 'exit the server',
    answer(_, { actions }): AdminReply {
      actions.quit();
      return ok;
    },
  },
  {
    path: '/reset_counters',
    method: 'POST',
    help: 'reset all counters to zero',
    async answer(_, { metrics }): Promise<AdminReply> {
      await inSlices(metrics.resetSteps());
      return ok;
    },
  },
  {
    path: '/reopen_logs',
    method: 'POST',
    help: 'reopen access logs',
    answer(_, { actions }): AdminReply {
      actions.reopenLogs();
      return ok;
    },
  },
];
