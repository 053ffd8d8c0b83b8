import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Metrics } from '#observe/metrics.ts';
import { HeldMetrics, ScopeHolders } from './scope-holders.ts';

const name = (path: string) => ({ path, family: path, labels: {} });

describe('holders of scopes', () => {
  test('have them alike, and the last one takes them along', () => {
    const metrics = new Metrics();
    const holders = new ScopeHolders(metrics);
    const [one, other] = [new HeldMetrics(holders), new HeldMetrics(holders)];
    for (const held of [one, one, other]) held.scope(name('http.a')).counter('rq_total').inc();
    one.scope(name('http.a.fault')).counter('active_faults').inc();
    one.release();
    one.release();
    assert.deepEqual(metrics.lines(), ['http.a.rq_total: 3']);
    other.release();
    assert.deepEqual(metrics.lines(), []);
  });

  test('begin anew after the last', () => {
    const metrics = new Metrics();
    const holders = new ScopeHolders(metrics);
    const [one, other] = [new HeldMetrics(holders), new HeldMetrics(holders)];
    const before = one.scope(name('tcp.a')).counter('idle_timeout');
    one.release();
    const after = other.scope(name('tcp.a')).counter('idle_timeout');
    before.inc(5);
    after.inc();
    assert.deepEqual(metrics.lines(), ['tcp.a.idle_timeout: 1']);
  });

  test('who has let go makes nothing to stay', () => {
    const metrics = new Metrics();
    const held = new HeldMetrics(new ScopeHolders(metrics));
    held.release();
    held.scope(name('http.a')).counter('rq_total').inc();
    assert.deepEqual(metrics.lines(), []);
  });

  test('what others have is theirs', () => {
    const metrics = new Metrics();
    const held = new HeldMetrics(new ScopeHolders(metrics));
    held.scope(name('cluster.a.grpc')).counter('total').inc();
    held.release();
    assert.deepEqual(metrics.lines(), ['cluster.a.grpc.total: 1']);
  });
});
