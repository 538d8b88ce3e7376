/* Keeps a page true without reloading it: fetches the same page every few seconds and carries over what changed.
   Old browsers simply reload. The page also works with no script at all. */
(function () {
  'use strict';
  var PERIOD_MS = 1000 * Number(document.querySelector('main').getAttribute('data-period'));
  var TRIES_BEFORE_ALARM = 3;
  var KEEP_START_MS = 300000; /* who pressed Start and went away must not be recorded when the recorder wakes up */
  var failures = 0;
  var base = null;

  function now() {
    return window.performance && performance.now ? performance.now() : new Date().getTime();
  }

  function clockText(seconds) {
    var s = seconds % 60, m = Math.floor(seconds / 60) % 60, h = Math.floor(seconds / 3600);
    function two(n) { return (n < 10 ? '0' : '') + n; }
    return h ? h + ':' + two(m) + ':' + two(s) : two(m) + ':' + two(s);
  }

  function readClock() {
    var clock = document.getElementById('elapsed');
    base = clock ? { seconds: Number(clock.getAttribute('data-seconds')), at: now() } : null;
  }

  function tick() {
    var clock = document.getElementById('elapsed');
    if (clock && base) {
      clock.textContent = clockText(base.seconds + Math.floor((now() - base.at) / 1000));
    }
  }

  function carryOver(here, fresh) {
    var oldView = here.getAttribute('data-view'), newView = fresh.getAttribute('data-view');
    if (here.tagName === 'IMG') {
      if (here.getAttribute('src') !== fresh.getAttribute('src')) { here.src = fresh.getAttribute('src'); }
    } else if (here.getAttribute('data-live') === 'class') {
      here.className = fresh.className;
    } else if (oldView !== null) {
      if (oldView !== newView) { replace(here, fresh); }
    } else if (here.id === 'elapsed') {
      here.setAttribute('data-seconds', fresh.getAttribute('data-seconds'));
    } else if (here.innerHTML !== fresh.innerHTML) {
      here.className = fresh.className;
      here.innerHTML = fresh.innerHTML;
    }
  }

  function replace(here, fresh) {
    var focused = here.contains(document.activeElement) && document.activeElement.id;
    here.parentNode.replaceChild(document.importNode(fresh, true), here);
    var button = document.getElementById(focused) || document.getElementById('button');
    if (focused && button) { button.focus(); }
  }

  function apply(html) {
    var fresh = new DOMParser().parseFromString(html, 'text/html');
    var parts = fresh.querySelectorAll('[data-live]');
    for (var i = 0; i < parts.length; i++) {
      var here = document.getElementById(parts[i].id);
      if (here) { carryOver(here, parts[i]); }
    }
    if (document.title !== fresh.title) { document.title = fresh.title; }
    readClock();
    document.dispatchEvent(new CustomEvent('refreshed'));
  }

  function showConnection(works) {
    failures = works ? 0 : failures + 1;
    var warning = document.getElementById('offline');
    var unknown = failures >= TRIES_BEFORE_ALARM;
    if (warning) { warning.hidden = !unknown; }
    document.documentElement.className = unknown ? 'unknown' : '';
    if (unknown) {
      base = null;
      document.title = document.querySelector('.room').textContent;
    }
  }

  function refresh() {
    if (document.hidden) { return Promise.resolve(); }
    return fetch(location.pathname + location.search, { headers: { Accept: 'text/html' }, cache: 'no-store' })
      .then(function (answer) {
        if (!answer.ok) { throw new Error(String(answer.status)); }
        return answer.text();
      })
      .then(function (html) { apply(html); showConnection(true); })
      .catch(function () { showConnection(false); });
  }

  function loop() { refresh().then(function () { setTimeout(loop, PERIOD_MS); }); }

  /* a button pressed twice in a row sends one request; the server would not mind two */
  document.addEventListener('submit', function (event) {
    var form = event.target;
    if (!form.hasAttribute('data-once')) { return; }
    if (form.getAttribute('data-sent')) { event.preventDefault(); return; }
    form.setAttribute('data-sent', 'yes');
    form.className = 'sent';
    setTimeout(function () { release(form); }, 8000);
    if (window.fetch) { event.preventDefault(); send(form, now()); }
  });

  /* not by leaving the page: while the recorder does not answer, a press would be lost with it */
  function send(form, pressed) {
    var fields = [], kept = document.getElementById('kept');
    for (var i = 0; i < form.elements.length; i++) {
      var field = form.elements[i];
      if (field.name) { fields.push(encodeURIComponent(field.name) + '=' + encodeURIComponent(field.value)); }
    }
    var type = 'application/x-www-form-urlencoded';
    fetch(form.action, { method: 'POST', headers: { 'Content-Type': type, Accept: 'text/html' }, body: fields.join('&') })
      .then(function (answer) {
        if (!answer.ok) {
          form.submit();
        } else if (form.getAttribute('data-once') === 'test') { /* a title that was typed must stay */
          setTimeout(function () { release(form); }, 1000);
          refresh();
        } else {
          remember('yes');
          location.href = answer.url;
        }
      })
      .catch(function () {
        kept.hidden = form.getAttribute('data-once') !== 'stop' && now() - pressed > KEEP_START_MS;
        if (kept.hidden) { release(form); } else { setTimeout(function () { send(form, pressed); }, PERIOD_MS); }
      });
  }

  /* whoever uses the keyboard finds the next button where the last one was */
  function remember(pressed) {
    try {
      var before = window.sessionStorage.getItem('pressed');
      window.sessionStorage.setItem('pressed', pressed);
      return before;
    } catch (refused) { return ''; }
  }

  function release(form) { form.removeAttribute('data-sent'); form.className = ''; }

  window.addEventListener('pageshow', function () {
    var button = document.getElementById('button');
    if (remember('') && button) { button.focus({ preventScroll: true }); }
    var forms = document.querySelectorAll('form[data-once]');
    for (var i = 0; i < forms.length; i++) { release(forms[i]); }
  });

  if (!document.querySelector('[data-live]')) { return; }
  readClock();
  setInterval(tick, 250);
  if (!window.fetch || !window.DOMParser || !window.Promise || typeof CustomEvent !== 'function') {
    setTimeout(function () { location.reload(); }, 10000);
    return;
  }
  document.addEventListener('visibilitychange', refresh);
  setTimeout(loop, PERIOD_MS);
}());
