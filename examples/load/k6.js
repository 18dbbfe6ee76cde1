// The shop's customers, for k6 2: the same mix and the same four phases as the `soak` example.
//
//   k6 run examples/load/k6.js
//
// Environment (k6 run -e NAME=VALUE):
//   SHOP_URL         the shop                          http://127.0.0.1:8080
//   SOAKSCOPE_ADMIN  its agent, which learns of phases   http://127.0.0.1:9900
//   SHOP_RATE        requests per second when steady   150
//   SHOP_SECONDS     length of the run                 60

import http from 'k6/http';
import { check, sleep } from 'k6';

const SHOP = __ENV.SHOP_URL || 'http://127.0.0.1:8080';
const ADMIN = __ENV.SOAKSCOPE_ADMIN || 'http://127.0.0.1:9900';
const RATE = Number(__ENV.SHOP_RATE || 150);
const SECONDS = Number(__ENV.SHOP_SECONDS || 60);

// Share of the time, and rate as a multiple of RATE.
const PHASES = [
  { name: 'warmup', share: 0.15, times: 0.5 },
  { name: 'steady', share: 0.55, times: 1 },
  { name: 'spike', share: 0.15, times: 3 },
  { name: 'cooldown', share: 0.15, times: 0.5 },
];

const rate = (phase) => Math.max(1, Math.round(RATE * phase.times));
const seconds = (phase) => SECONDS * phase.share;

// One stage that jumps to a phase's rate, one that stays there.
function stages() {
  const all = [];
  for (const phase of PHASES) {
    all.push({ target: rate(phase), duration: '0' });
    all.push({ target: rate(phase), duration: `${Math.round(seconds(phase) * 1000)}ms` });
  }
  return all;
}

export const options = {
  scenarios: {
    shop: {
      executor: 'ramping-arrival-rate',
      startRate: rate(PHASES[0]),
      timeUnit: '1s',
      preAllocatedVUs: 32,
      maxVUs: 256,
      stages: stages(),
      exec: 'visit',
    },
    // One user who buys nothing and announces each phase to the agent.
    phases: {
      executor: 'per-vu-iterations',
      vus: 1,
      iterations: 1,
      maxDuration: `${Math.ceil(SECONDS) + 30}s`,
      exec: 'walkThroughPhases',
    },
  },
  thresholds: {
    // Of the shop alone: whether an agent listens is nobody's failure.
    'http_req_failed{scenario:shop}': ['rate<0.01'],
    'http_req_duration{scenario:shop}': ['p(95)<150', 'p(99)<500'],
    'http_req_duration{name:GET /orders/{user}}': ['p(99)<200'],
    checks: ['rate>0.99'],
  },
};

function phase(name) {
  http.post(`${ADMIN}/phase/${name}`, null, { tags: { name: 'POST /phase/{name}' }, timeout: '2s' });
}

export function setup() {
  phase(PHASES[0].name);
}

export function walkThroughPhases() {
  for (const { name, share } of PHASES) {
    phase(name);
    sleep(SECONDS * share);
  }
}

export function teardown() {
  phase('after');
}

const any = (most) => 1 + Math.floor(Math.random() * most);

function get(path, name) {
  const answer = http.get(`${SHOP}${path}`, { tags: { name: `GET ${name}` } });
  check(answer, { 'is 200': (r) => r.status === 200 });
}

function order() {
  const body = JSON.stringify({ user: any(500), lines: [{ product: any(2000), quantity: any(3) }] });
  const answer = http.post(`${SHOP}/orders`, body, {
    headers: { 'Content-Type': 'application/json' },
    tags: { name: 'POST /orders' },
  });
  check(answer, { 'is 201': (r) => r.status === 201 });
}

export function visit() {
  const ticket = Math.random() * 100;
  if (ticket < 36) {
    get(`/products?page=${any(100)}`, '/products');
  } else if (ticket < 66) {
    get(`/products/${any(2000)}`, '/products/{id}');
  } else if (ticket < 87) {
    get(`/orders/${any(500)}`, '/orders/{user}');
  } else if (ticket < 97) {
    order();
  } else {
    get('/report', '/report');
  }
}
