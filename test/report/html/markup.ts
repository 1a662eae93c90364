import t from 'tap';
import { escaped, markup, trusted } from '../../../lib/report/html/markup.js';

t.test('values of a template are text, markup and lists of it stay markup', async (t) => {
  const name = `<img src=x onerror="alert('1')">&amp;`;
  t.equal(
    markup`<td title="${name}">${name}</td>`.text,
    '<td title="&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;amp;">' +
      '&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;amp;</td>',
  );
  t.equal(
    markup`<ul>${['<', '>'].map((each) => markup`<li>${each}</li>`)}</ul>`.text,
    '<ul><li>&lt;</li><li>&gt;</li></ul>',
  );
  t.equal(markup`${3}${null}${undefined}${false}${0}`.text, '30');
  t.equal(markup`<p>${trusted('<b>ours</b>')}</p>`.text, '<p><b>ours</b></p>');
  t.equal(markup`${['a<', ['b&', trusted('<i>')]]}`.text, 'a&lt;b&amp;<i>');
});

t.test('nothing that ends an attribute or an element is left', async (t) => {
  for (const text of ['</script><script>', '"><svg onload=x>', "' onfocus='x", '<!--', ']]>'])
    t.notMatch(escaped(text), /[<>"']/);
});
